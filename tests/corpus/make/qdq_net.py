"""Networks in QDQ form, node by node with onnx.helper."""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import common
from floatnets import Net

VERSIONS = {"onnx": onnx.__version__, "onnxruntime": ort.__version__}
RANGES = {"uint8": (0, 255), "int8": (-128, 127), "uint4": (0, 15), "int4": (-8, 7)}
KINDS = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8, "uint4": TensorProto.UINT4,
         "int4": TensorProto.INT4}
PADS = [1, 1, 1, 1]


class QNet(Net):
    """A network in QDQ form. Scales of activations come from running the graph so far."""

    def __init__(self, shape, **options):
        super().__init__(shape, **options)
        self.scale = {}

    def codes(self, values, kind, name):
        """An initializer of integer codes, also of four bits."""
        values = np.asarray(values)
        if kind in ("uint4", "int4"):
            self.inits.append(helper.make_tensor(name, KINDS[kind], values.shape,
                                                 values.astype(int).ravel().tolist()))
        else:
            self.inits.append(numpy_helper.from_array(values.astype(kind), name))
        return name

    def measure(self, x):
        images = common.images(self.shape, 16, seed=99,
                               dtype="uint8" if self.dtype == TensorProto.UINT8 else "float32")
        graph = helper.make_graph(
            self.nodes, "part",
            [helper.make_tensor_value_info(self.input, self.dtype, [None, *self.shape])],
            [onnx.ValueInfoProto(name=x)], self.inits)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid(common.MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=imports)
        model.ir_version = 10
        run = common.session(model.SerializeToString())
        y = np.concatenate([run.run(None, {self.input: images[i:i + 1]})[0] for i in range(16)])
        return min(float(y.min()), 0.0), max(float(y.max()), 1e-3)

    def choose(self, x, kind, symmetric=False):
        low, high = self.measure(x)
        first, last = RANGES[kind]
        if symmetric:
            return np.float32(max(-low, high) / last), 0
        scale = np.float32((high - low) / (last - first))
        return scale, int(np.clip(round(first - low / scale), first, last))

    def quantize(self, x, kind="uint8", symmetric=False, vector=False, out=None):
        scale, zero = self.choose(x, kind, symmetric)
        base = out or self.name("q")
        shape = (1,) if vector else ()
        s = self.const(np.full(shape, scale, np.float32), base + ".scale")
        z = self.codes(np.full(shape, zero), kind, base + ".zero")
        q = self.op("QuantizeLinear", [x, s, z], base)
        self.scale[q] = (s, z, scale)
        return q

    def dequantize(self, q, out=None):
        s, z, scale = self.scale[q]
        y = self.op("DequantizeLinear", [q, s, z], out)
        self.scale[y] = (s, z, scale)
        return y

    def qdq(self, x, kind="uint8", **options):
        return self.dequantize(self.quantize(x, kind, **options))

    def weight_codes(self, w, kind, axis=None, zero=None):
        first, last = RANGES[kind]
        other = tuple(a for a in range(w.ndim) if a != axis) if axis is not None else None
        peak = np.abs(w).max(axis=other, keepdims=axis is not None)
        span = last if first < 0 else (last - first) // 2
        scale = (peak / span).astype(np.float32)
        zeros = np.zeros_like(scale) if first < 0 else np.full_like(scale, span)
        if zero is not None:
            zeros = zeros + np.asarray(zero).reshape(zeros.shape)
        codes = np.clip(np.round(w / scale) + zeros, first, last)
        flat = (lambda a: a.reshape(-1)) if axis is not None else (lambda a: a.reshape(()))
        return codes, flat(scale), flat(zeros)

    def qweight(self, w, kind="int8", axis=None, zero=None, attribute=None, zero_point=True):
        base = self.name("weight")
        codes, scale, zeros = self.weight_codes(w, kind, axis, zero)
        inputs = [self.codes(codes, kind, base), self.const(scale, base + ".scale")]
        if zero_point:
            inputs.append(self.codes(zeros, kind, base + ".zero"))
        extra = {} if axis is None else {"axis": axis if attribute is None else attribute}
        return self.op("DequantizeLinear", inputs, base + ".float", **extra), scale

    def scale_of(self, x):
        """The scale of x, or of what Flatten and the like made it from."""
        while x not in self.scale:
            x = next(node.input[0] for node in self.nodes if x in node.output)
        return self.scale[x][2]

    def qbias(self, x, wscale, count, how="int32"):
        b = self.rng.normal(0, 0.1, count).astype(np.float32)
        base = self.name("bias")
        if how == "float":
            return self.const(b, base)
        scale = (self.scale_of(x) * np.asarray(wscale)).astype(np.float32)
        codes = self.const(np.round(b / scale).astype(np.int32), base)
        extra = {"axis": 0} if scale.ndim else {}
        return self.op("DequantizeLinear", [codes, self.const(scale, base + ".scale")],
                       base + ".float", **extra)

    def qconv(self, x, cin, cout, kernel, kind="int8", axis=0, bias="int32", group=1,
              weight=None, zero=None, attribute=None, zero_point=True, **attributes):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        w, scale = weight or self.qweight(self.weights((cout, cin // group, *kernel)), kind, axis,
                                          zero, attribute, zero_point)
        inputs = [x, w] + ([self.qbias(x, scale, cout, bias)] if bias else [])
        return self.op("Conv", inputs, group=group, **attributes)

    def qgemm(self, x, cin, cout, kind="int8", axis=None, bias="int32", out="logits"):
        w, scale = self.qweight(self.weights((cout, cin)), kind, axis)
        return self.op("Gemm", [x, w, self.qbias(x, scale, cout, bias)], out, transB=1)

    def small_head(self, x, channels, out="logits", kind="int8"):
        x = self.qdq(self.op("GlobalAveragePool", [x]))
        return self.qgemm(self.op("Flatten", [x]), channels, 10, kind, out=out)


def write(m, name, net, out, features, refuse_word=None, notes="", edit=None, domains=(), **more):
    model = net.model(out, domains=domains, **more)
    if edit:
        edit(model)
    onnx.save(model, str(common.MODELS / f"{name}.onnx"))
    common.add_onnx(m, name, features, VERSIONS, shape=net.shape, notes=notes,
                    refuse_word=refuse_word,
                    dtype="uint8" if net.dtype == TensorProto.UINT8 else "float32")


def start(**options):
    """Image, its codes, one convolution with ReLU: where most graphs here begin."""
    n = QNet((3, 16, 16), **options)
    x = n.qdq("image")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    return n, x
