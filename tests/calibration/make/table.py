"""table.py FLATENN FOLDER [TEST_IMAGES]: accuracy by bits and method of train.py's networks in FOLDER.

Prints Markdown. Both tools calibrate on the first 256 training images; the last rows are
onnxruntime.quantization's static quantization (QDQ, unsigned activations, signed weights).
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization import shape_inference

import images

CALIBRATION = 256
DATA = {"lenet5": "fashion-mnist", "resnet20": "cifar10"}
BITS = [8, 6, 4, 3, 2]
METHODS = {
    "min-max": [],
    "min-max, per channel": ["--per-channel"],
    "percentile, per channel": ["--calibration", "percentile", "--per-channel"],
    "mse, per channel": ["--calibration", "mse", "--per-channel"],
    "mse, per channel, corrected": ["--calibration", "mse", "--per-channel", "--bias-correction"],
    "mse, equalized, corrected": ["--calibration", "mse", "--equalize", "--bias-correction"],
}


def flatenn(program, model, data, count, bits, options):
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "import", model, "-o", folder + "/m.onnx", "--calibrate", data,
                   "--calibration-images", str(CALIBRATION), "--images", str(count),
                   "--weight-bits", str(bits), "--activation-bits", str(bits), "--json", *options]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


class Reader(quantization.CalibrationDataReader):
    def __init__(self, x):
        self.batches = iter(np.split(x, len(x) // 32))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def accuracy(path, x, y):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    top1 = [session.run(None, {"image": part})[0].argmax(1) for part in np.array_split(x, len(x) // 100)]
    return float((np.concatenate(top1) == y).mean())


def runtime(model, data, count, method, per_channel):
    x, y = (a[:count] for a in images.load(data, False))
    train = images.load(data, True)[0][:CALIBRATION]
    with tempfile.TemporaryDirectory() as folder:
        shape_inference.quant_pre_process(model, folder + "/pre.onnx")
        quantization.quantize_static(
            folder + "/pre.onnx", folder + "/q.onnx", Reader(train), per_channel=per_channel,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=method)
        return accuracy(folder + "/q.onnx", x, y), accuracy(model, x, y)


def percent(value):
    return f"{100 * value:.2f}"


def main(program, folder, count):
    for name, data in DATA.items():
        model = str(pathlib.Path(folder) / f"{name}.onnx")
        rows, real = [], None
        for method, options in METHODS.items():
            cells = []
            for bits in BITS:
                result = flatenn(program, model, data, count, bits, options)
                real = result["float"]["accuracy"]
                cells.append(percent(result["quantized"]["accuracy"]))
                print(name, method, bits, cells[-1], file=sys.stderr)
            rows.append((method, cells))
        for label, method, per_channel in [
                ("onnxruntime, MinMax", quantization.CalibrationMethod.MinMax, False),
                ("onnxruntime, MinMax, per channel", quantization.CalibrationMethod.MinMax, True),
                ("onnxruntime, Percentile, per channel", quantization.CalibrationMethod.Percentile,
                 True)]:
            quantized, reference = runtime(model, data, count, method, per_channel)
            rows.append((label, [percent(quantized)] + ["-"] * (len(BITS) - 1)))
        print(f"\n{name} on {count} test images of {data}: float {percent(real)} % "
              f"(ONNX Runtime {percent(reference)} %)\n")
        print("| ranges | " + " | ".join(f"{b} bits" for b in BITS) + " |")
        print("| --- |" + " ---: |" * len(BITS))
        for label, cells in rows:
            print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 2000)
