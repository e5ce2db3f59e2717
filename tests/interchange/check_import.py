#!/usr/bin/env python3
"""Compares the answers of imported networks with ONNX Runtime's on real images.

check_import.py --trace BUILD/tests/flatenn_write_trace --float MODEL.onnx --data DATA [--images N]

Quantizes a trained float network (input [N, C, H, W], normalized as flatenn normalizes DATA) with
ONNX Runtime's quantizer in both of its forms, and runs each file there, graph optimizations off, and
here, by the reference engine, on the first N test images. Images whose two highest answers are equal
in either are ties and left out. Fails (exit 1) where fewer than 99.9 percent of the others agree.

Data come from the official files below $FLATENN_DATA (tests/calibration/make/images.py).
Packages: requirements.txt beside this file. Exits with 77 where they are missing.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                          quant_pre_process, quantize_static)
except ImportError as error:
    print(f"skipped: {error} (pip install -r tests/interchange/requirements.txt)")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "calibration" / "make"))
import images as datasets  # noqa: E402

U8, S8 = QuantType.QUInt8, QuantType.QInt8
# The operator form with unsigned activations and signed weights saturates on CPUs without VNNI.
FORMS = {"QDQ, u8s8, per channel": (QuantFormat.QDQ, U8, S8, True),
         "QDQ, s8s8": (QuantFormat.QDQ, S8, S8, False),
         "QDQ, u8u8": (QuantFormat.QDQ, U8, U8, False),
         "QOperator, u8u8": (QuantFormat.QOperator, U8, U8, False)}
ENOUGH = 0.999


class Rows(CalibrationDataReader):
    def __init__(self, name, images):
        self.rows = iter([{name: image[None]} for image in images])

    def get_next(self):
        return next(self.rows, None)


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def theirs(path, images):
    run = session(path)
    name = run.get_inputs()[0].name
    return np.concatenate([run.run(None, {name: images[i:i + 50]})[0]
                           for i in range(0, len(images), 50)]).reshape(len(images), -1)


def ours(trace, path, images, folder):
    (folder / "pixels.f32").write_bytes(np.ascontiguousarray(images, np.float32).tobytes())
    out = folder / "trace"
    subprocess.run([trace, path, folder / "pixels.f32", out], check=True)
    activations = json.loads((out / "trace.json").read_text())
    last = activations[-1]
    data = (out / f"codes.{len(activations) - 1}").read_bytes()
    return np.frombuffer(data, np.float32 if last["float"] else np.int16).reshape(len(images), -1)


def tied(answers):
    top = np.sort(answers, axis=1)[:, -2:]
    return top[:, 0] == top[:, 1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trace", required=True)
    parser.add_argument("--float", required=True, dest="model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--images", type=int, default=1000)
    args = parser.parse_args()
    train, _ = datasets.load(args.data, True)
    test, labels = (part[:args.images] for part in datasets.load(args.data, False))
    failed = False
    print(f"{'form':24} {'accuracy':>9} {'here':>9} {'agree':>14} {'ties':>5}")
    for form, (quant_format, activation, weight, per_channel) in FORMS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            quant_pre_process(args.model, str(folder / "ready.onnx"), skip_symbolic_shape=True)
            feed = onnx.load(args.model).graph.input[0].name
            quantize_static(str(folder / "ready.onnx"), str(folder / "theirs.onnx"),
                            Rows(feed, train[:256]), quant_format=quant_format,
                            activation_type=activation, weight_type=weight, per_channel=per_channel)
            a = theirs(folder / "theirs.onnx", test)
            b = ours(args.trace, folder / "theirs.onnx", test, folder)
        clear = ~(tied(a) | tied(b))
        same = a.argmax(1) == b.argmax(1)
        share = same[clear].mean()
        failed = failed or share < ENOUGH
        print(f"{form:24} {(a.argmax(1) == labels).mean():9.2%} {(b.argmax(1) == labels).mean():9.2%} "
              f"{same[clear].sum():6} of {clear.sum():4} {(~clear).sum():5}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
