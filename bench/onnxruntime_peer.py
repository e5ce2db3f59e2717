"""MobileNetV2 and ResNet-50 in int8: flatenn beside ONNX Runtime on the same cores, in one run.

Builds both networks as float ONNX files (224 x 224, own random weights), quantizes them with ONNX
Runtime's quantizer (QDQ, u8 activations, s8 weights per channel), imports them with flatenn, and
times passes over the same number of images, one tool after the other and both again:
    python3 bench/onnxruntime_peer.py --flatenn build/release/flatenn --out /tmp/peer
Needs: onnx 1.23, onnxruntime 1.32, numpy.
"""

import argparse
import json
import pathlib
import subprocess
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

EXTENT = 224


class Graph:
    """A float ONNX graph under construction."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def node(self, op, inputs, **attributes):
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def conv(self, x, channels_in, channels, kernel=1, stride=1, groups=1):
        shape = (channels, channels_in // groups, kernel, kernel)
        weights = self.random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        return self.node("Conv", [x, self.constant(weights), self.constant(np.zeros(channels))],
                         kernel_shape=[kernel, kernel], strides=[stride, stride], group=groups,
                         pads=[kernel // 2] * 4)

    def relu(self, x, six=False):
        if not six:
            return self.node("Relu", [x])
        return self.node("Clip", [x, self.constant(np.array(0)), self.constant(np.array(6))])

    def head(self, x, channels):
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        weights = self.random.normal(0, np.sqrt(1 / channels), (1000, channels))
        return self.node("Gemm", [x, self.constant(weights), self.constant(np.zeros(1000))],
                         transB=1)

    def save(self, out, path):
        self.nodes[-1].output[0] = "logits"
        graph = helper.make_graph(
            self.nodes, "peer",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, EXTENT, EXTENT])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1000])],
            self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def mobilenet_v2(path):
    """Sandler et al., arXiv:1801.04381, table 2."""
    g = Graph(1)
    x, channels = g.relu(g.conv("image", 3, 32, 3, 2), six=True), 32
    for expand, out, repeats, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                         (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(repeats):
            y, hidden = x, channels * expand
            if expand > 1:
                y = g.relu(g.conv(y, channels, hidden), six=True)
            y = g.relu(g.conv(y, hidden, hidden, 3, stride if i == 0 else 1, hidden), six=True)
            y = g.conv(y, hidden, out)
            x = g.node("Add", [x, y]) if channels == out and (i > 0 or stride == 1) else y
            channels = out
    g.save(g.head(g.relu(g.conv(x, channels, 1280), six=True), 1280), path)


def resnet50(path):
    """He et al., arXiv:1512.03385, table 1, stride in the 3x3 convolution."""
    g = Graph(2)
    x = g.relu(g.conv("image", 3, 64, 7, 2))
    x, channels = g.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), 64
    for width, blocks, stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for i in range(blocks):
            s = stride if i == 0 else 1
            y = g.relu(g.conv(x, channels, width))
            y = g.relu(g.conv(y, width, width, 3, s))
            y = g.conv(y, width, 4 * width)
            skip = g.conv(x, channels, 4 * width, 1, s) if i == 0 else x
            x, channels = g.relu(g.node("Add", [y, skip])), 4 * width
    g.save(g.head(x, 2048), path)


class Reader(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(3)
        self.images = iter(random.normal(0, 1, (4, 1, 3, EXTENT, EXTENT)).astype(np.float32))

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"image": image}


def quantized(name, make, folder):
    path = folder / f"{name}_int8.onnx"
    if not path.exists():
        make(folder / f"{name}.onnx")
        quantize_static(folder / f"{name}.onnx", path, Reader(), quant_format=QuantFormat.QDQ,
                        per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)
    return path


def runtime_seconds(path, images, threads, batch):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(4).normal(0, 1, (batch, 3, EXTENT, EXTENT)).astype(np.float32)
    session.run(None, {"image": x})
    start = time.perf_counter()
    for _ in range(images // batch):
        session.run(None, {"image": x})
    return time.perf_counter() - start


def flatenn_seconds(flatenn, path, images, threads):
    out = subprocess.run([flatenn, "bench", "--model", path, "--images", str(images), "--trials", "1",
                          "--repetitions", "1", "--threads", str(threads), "--json"],
                         check=True, capture_output=True, text=True).stdout
    return images / json.loads(out)["images_per_second"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flatenn", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    print("network,images,threads,tool,seconds")
    for name, make in [("mobilenet_v2", mobilenet_v2), ("resnet50", resnet50)]:
        path = quantized(name, make, args.out)
        imported = args.out / f"{name}_flatenn.onnx"
        subprocess.run([args.flatenn, "import", path, "-o", imported], check=True,
                       capture_output=True)
        for _ in range(args.rounds):
            for batch in (1, 16):
                seconds = runtime_seconds(path, args.images, args.threads, batch)
                print(f"{name},{args.images},{args.threads},onnxruntime batch {batch},{seconds:.2f}",
                      flush=True)
            seconds = flatenn_seconds(args.flatenn, imported, args.images, args.threads)
            print(f"{name},{args.images},{args.threads},flatenn one fault map,{seconds:.2f}",
                  flush=True)


if __name__ == "__main__":
    main()
