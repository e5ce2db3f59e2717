"""QONNX graphs: Quant, BipolarQuant and Trunc of qonnx, as built and after its clean-up."""

import importlib.metadata

import numpy as np
import onnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ
from qonnx.util.cleanup import cleanup_model

import common
from floatnets import Net

DOMAIN = "qonnx.custom_op.general"
VERSIONS = {p: importlib.metadata.version(p) for p in ("qonnx", "onnx", "onnxruntime")}


class QonnxNet(Net):
    def __init__(self, shape, **options):
        super().__init__(shape, batch=1, **options)

    def quant(self, x, scale, bits, zero=0.0, signed=1, narrow=0, rounding="ROUND", op="Quant",
              domain=DOMAIN):
        return self.op(op, [x, self.const(np.asarray(scale, np.float32)),
                            self.const(np.asarray(zero, np.float32)),
                            self.const(np.float32(bits))], domain=domain, signed=signed,
                       narrow=narrow, rounding_mode=rounding)

    def qconv(self, x, cin, cout, kernel, bits=4, per_channel=True, group=1, narrow=1, bias=False,
              bipolar=False, rounding="ROUND", domain=DOMAIN, **attributes):
        w = self.weights((cout, cin // group, kernel, kernel))
        peak = np.abs(w).max(axis=(1, 2, 3), keepdims=True) if per_channel else np.abs(w).max()
        name = self.const(w)
        if bipolar:
            q = self.op("BipolarQuant", [name, self.const(np.float32(np.abs(w).mean()))],
                        domain=domain)
        else:
            q = self.quant(name, peak / (2 ** (bits - 1) - 1), bits, narrow=narrow,
                           rounding=rounding, domain=domain)
        inputs = [x, q]
        if bias:
            b = self.const(self.rng.normal(0, .1, cout).astype(np.float32))
            inputs.append(self.quant(b, 0.001, 16, domain=domain))
        return self.op("Conv", inputs, group=group, **attributes)

    def head(self, x, channels, bits=4, domain=DOMAIN):
        w = self.weights((channels, 10))
        q = self.quant(self.const(w), np.abs(w).max() / (2 ** (bits - 1) - 1), bits, narrow=1,
                       domain=domain)
        y = self.op("MatMul", [x, q])
        return self.op("Add", [y, self.const(self.rng.normal(0, .1, 10).astype(np.float32))])


PADS = [1, 1, 1, 1]


def relu(n, y, scale=0.1, bits=4, **options):
    return n.quant(n.op("Relu", [y]), scale, bits, signed=0, **options)


def start(seed, **options):
    n = QonnxNet((3, 16, 16), seed=seed)
    x = n.quant("image", 1 / 255, 8, signed=0, **options)
    return n, x


def write(m, name, n, out, features, clean=True, qcdq=False, refuse_word=None, notes="",
          version=1, rename=None):
    model = ModelWrapper(n.model(out, domains=((DOMAIN, version),)))
    if clean:
        model = cleanup_model(model)
    if qcdq:
        model = model.transform(QuantToQCDQ())
    path = common.MODELS / f"{name}.onnx"
    model.save(str(path))
    if refuse_word or qcdq:
        common.add_onnx(m, name, features, VERSIONS, shape=n.shape, refuse_word=refuse_word,
                        notes=notes)
        return
    # The executor needs every shape, which the clean-up infers; it leaves the numbers alone.
    wrapped = ModelWrapper(str(path))
    runs = wrapped if clean else cleanup_model(wrapped)
    source, target = runs.graph.input[0].name, runs.graph.output[0].name
    shown = dict(zip(common.quantized(wrapped.graph), common.quantized(runs.graph), strict=True))
    inputs = common.images(n.shape)
    rows = [execute_onnx(runs, {source: i[None]}, return_full_exec_context=True) for i in inputs]
    tensors = {k: np.concatenate([r[c] for r in rows]).astype(np.float32)
               for k, c in shown.items() if c != target}
    output = wrapped.graph.output[0].name
    tensors[output] = np.concatenate([r[target] for r in rows])
    common.save_expected(
        name, m.tool, VERSIONS, wrapped.graph.input[0].name, inputs, tensors, output,
        notes or "tensors are what Quant puts out: floats, codes times the scale")
    m.add(name, f"{name}.onnx", features, refuse_word)
    if rename is not None:  # as older tools write it
        model = onnx.load(str(path))
        for node in model.graph.node:
            if node.domain == DOMAIN:
                node.domain = rename
        for entry in [e for e in model.opset_import if e.domain == DOMAIN]:
            model.opset_import.remove(entry)
        onnx.save(model, str(path))


def main():
    m = common.Manifest("qonnx")

    def lenet(seed, bits, **options):
        n, x = start(seed)
        x = relu(n, n.qconv(x, 3, 8, 3, bits, strides=[2, 2], pads=PADS, **options), bits=bits,
                 scale=1.6 / (2 ** bits - 1))
        x = n.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
        x = relu(n, n.qconv(x, 8, 8, 3, bits, **options), bits=bits, scale=1.6 / (2 ** bits - 1))
        return n, n.head(n.op("Flatten", [x]), 32, bits)

    base = ["Quant", "MatMul and Add", "weights quantized in the graph"]
    for bits in (2, 3, 4, 8):
        write(m, f"qonnx_w{bits}a{bits}", *lenet(80 + bits, bits), [*base, f"{bits} bits", "narrow"])
    write(m, "qonnx_as_built", *lenet(85, 4, bias=True), [*base, "Quant of the bias", "16-bit bias"],
          clean=False)
    write(m, "qonnx_qcdq", *lenet(86, 4), ["QuantizeLinear, Clip, DequantizeLinear", "4 bits"],
          qcdq=True)

    n, x = start(87)
    x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS))
    y = relu(n, n.qconv(x, 8, 8, 3, group=8, pads=PADS))
    y = n.quant(n.qconv(y, 8, 8, 1), 0.2, 4)
    x = n.quant(x, 0.2, 4)
    x = relu(n, n.op("Add", [x, y]), 0.15)
    x = n.op("GlobalAveragePool", [x])
    x = n.quant(n.op("Flatten", [x]), 0.02, 8, signed=0)
    write(m, "qonnx_residual", n, n.head(x, 8),
          ["Quant", "residual Add", "depthwise", "GlobalAveragePool"])

    n, x = start(88)
    x = n.quant(n.qconv(x, 3, 8, 3, 8, strides=[2, 2], pads=PADS), 0.1, 4, zero=7.0, signed=0)
    x = n.quant(n.qconv(x, 8, 8, 3, 8, per_channel=False, narrow=0), 0.2, 4, zero=-3.0, signed=1)
    write(m, "qonnx_zero_point", n, n.head(n.op("Flatten", [x]), 288),
          ["Quant", "zero point", "per-tensor"])

    n, x = start(89)
    modes = ("FLOOR", "CEIL", "DOWN", "HALF_UP")
    for i, mode in enumerate(modes):
        x = relu(n, n.qconv(x, 3 if i == 0 else 8, 8, 3, strides=[2, 2] if i == 0 else [1, 1],
                            pads=PADS, rounding=mode), rounding=mode)
    x = n.op("MaxPool", [x], kernel_shape=[4, 4], strides=[4, 4])
    write(m, "qonnx_rounding", n, n.head(n.op("Flatten", [x]), 32),
          ["Quant", *(f"rounding_mode {mode}" for mode in modes)], refuse_word="rounding_mode FLOOR")

    n, x = start(97)  # the same modes where each value can be worked out: weights and codes
    for i, mode in enumerate((*modes, "UP", "HALF_DOWN")):
        x = relu(n, n.qconv(x, 3 if i == 0 else 8, 8, 3, strides=[2, 2] if i == 0 else [1, 1],
                            pads=PADS, rounding=mode))
        x = n.quant(n.op("Mul", [x, n.const(np.float32(.73))]), .09, 4, signed=0, rounding=mode)
    x = n.op("MaxPool", [x], kernel_shape=[4, 4], strides=[4, 4])
    write(m, "qonnx_rounding_codes", n, n.head(n.op("Flatten", [x]), 32),
          ["Quant", "rounding modes of weights and codes"])

    n, x = start(98)
    x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS))
    steps = np.sort(n.rng.uniform(-.1, 1.5, (8, 7)), axis=1).astype(np.float32)
    x = n.op("MultiThreshold", [x, n.const(steps)], domain=DOMAIN, out_dtype="UINT4",
             out_scale=.25, out_bias=0.0)
    x = relu(n, n.qconv(x, 8, 8, 3, pads=PADS))
    x = n.op("MultiThreshold", [x, n.const(steps[:1, 3:4])], domain=DOMAIN, out_dtype="BIPOLAR",
             out_scale=2.0, out_bias=-1.0)
    write(m, "qonnx_thresholds", n, n.head(n.op("Flatten", [x]), 512),
          ["Quant", "MultiThreshold of codes"])
    n, x = start(99)
    x = n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)
    x = n.op("MultiThreshold", [x, n.const(steps)], domain=DOMAIN, out_dtype="UINT4",
             out_scale=.25, out_bias=0.0)
    write(m, "qonnx_thresholds_of_sums", n, n.head(n.op("Flatten", [x]), 512),
          ["MultiThreshold of sums"], refuse_word="MultiThreshold")
    for i, domain in enumerate(("onnx.brevitas", "finn.custom_op.general")):
        n = QonnxNet((3, 16, 16), seed=100 + i)
        x = n.quant("image", 1 / 255, 8, signed=0)
        x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS))
        write(m, f"qonnx_domain_{domain.split('.')[-1 if i == 0 else 0]}", n,
              n.head(n.op("Flatten", [x]), 512), ["Quant", f"domain {domain}", "no opset import"],
              rename=domain)

    n, x = start(90)
    x = n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS, bipolar=True)
    x = n.op("BipolarQuant", [n.bn(x, 8), n.const(np.float32(1))], domain=DOMAIN)
    x = n.op("BipolarQuant", [n.bn(n.qconv(x, 8, 8, 3, bipolar=True), 8), n.const(np.float32(1))],
             domain=DOMAIN)
    write(m, "qonnx_bipolar", n, n.head(n.op("Flatten", [x]), 288),
          ["BipolarQuant", "one-bit weights", "one-bit activations", "BatchNormalization"])

    for version in (1, 2):
        n, x = start(90 + version)
        x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS), 0.125)
        x = n.op("AveragePool", [x], kernel_shape=[4, 4], strides=[4, 4])
        inputs = [x, n.const(np.float32(.125 / 16)), n.const(np.float32(0)),
                  n.const(np.float32(8))]
        extra = {}
        if version == 2:
            inputs.append(n.const(np.float32(.125)))
            extra = {"signed": 0, "narrow": 0}
        inputs.append(n.const(np.float32(4)))
        x = n.op("Trunc", inputs, domain=DOMAIN, rounding_mode="FLOOR", **extra)
        write(m, f"qonnx_trunc_v{version}", n, n.head(n.op("Flatten", [x]), 32),
              ["Quant", f"Trunc version {version}", "AveragePool"], version=version)

    n = QonnxNet((3, 16, 16), seed=94)
    x = n.quant("image", 1 / 255, 8, signed=0, op="IntQuant")
    x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS), op="IntQuant")
    write(m, "qonnx_intquant", n, n.head(n.op("Flatten", [x]), 512), ["IntQuant"])

    n, x = start(95)
    x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS), bits=3.5)
    write(m, "qonnx_bits_not_whole", n, n.head(n.op("Flatten", [x]), 512), ["Quant", "3.5 bits"],
          clean=False, refuse_word="3.5")
    n, x = start(96)
    x = relu(n, n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS), bits=12)
    write(m, "qonnx_12_bits", n, n.head(n.op("Flatten", [x]), 512), ["Quant", "12 bits"],
          refuse_word="12")
    m.save()


if __name__ == "__main__":
    main()
