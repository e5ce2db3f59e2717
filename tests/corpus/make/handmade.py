"""Graphs node by node with onnx.helper: forms that a reader meets and no tool here writes at will."""

import os

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


PADS = [1, 1, 1, 1]


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


def accepted(m):
    n, x = start(seed=31)
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, bias="float", pads=PADS)]))
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, bias=None, pads=PADS)]))
    write(m, "hand_bias_forms", n, n.small_head(x, 8),
          ["QDQ", "int32 bias", "float bias", "no bias", "per-channel"])

    n = QNet((3, 16, 16), seed=32)
    s, z = n.choose("image", "uint8")
    half = n.op("Constant", [], value=numpy_helper.from_array(np.float32(s / 2)))
    scale = n.op("Mul", [half, n.op("Constant", [], value_float=2.0)])
    zero = n.op("Cast", [n.op("Constant", [], value_int=z)], to=TensorProto.UINT8)
    q = n.op("QuantizeLinear", ["image", scale, zero])
    n.scale[q] = (n.op("Identity", [scale]), n.op("Identity", [zero]), s)
    x = n.dequantize(q)
    codes, ws, wz = n.weight_codes(n.weights((8, 3, 3, 3)), "int8", 0)
    w = n.op("Constant", [], value=numpy_helper.from_array(codes.astype(np.int8)))
    w = n.op("Reshape", [n.op("Identity", [w]), n.const(np.array([8, 3, 3, 3], np.int64))])
    w = n.op("DequantizeLinear", [w, n.op("Identity", [n.const(ws)])], axis=0)
    bias = n.const(n.rng.normal(0, .1, 8))  # double
    x = n.op("Conv", [x, w, n.op("Cast", [bias], to=TensorProto.FLOAT)], pads=PADS, strides=[2, 2])
    x = n.op("Dropout", [n.op("Identity", [n.op("Relu", [x])])])
    x = n.qdq(n.op("Cast", [x], to=TensorProto.FLOAT))
    write(m, "hand_constants", n, n.small_head(x, 8),
          ["QDQ", "Constant", "Identity", "Cast", "Dropout", "arithmetic on constants",
           "no zero point"])

    n, x = start(seed=33, opset=13, ir=3)
    write(m, "hand_initializers_as_inputs", n, n.small_head(x, 8),
          ["QDQ", "initializers as inputs", "IR version 3"], initializers_as_inputs=True)

    for name, batch in (("hand_batch_1", 1), ("hand_batch_unnamed", None)):
        n, x = start(seed=34, batch=batch)
        write(m, name, n, n.small_head(x, 8), ["QDQ", f"batch {batch or 'without a name'}"])

    n = QNet((3, 16, 16), seed=35, dtype=TensorProto.UINT8)
    x = n.op("Cast", ["image"], to=TensorProto.FLOAT)
    x = n.op("Mul", [x, n.const(np.float32(1 / 255))])
    x = n.op("Div", [n.op("Sub", [x, n.const(np.float32(0.45))]), n.const(np.float32(0.22))])
    x = n.qdq(x, "int8")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    write(m, "hand_uint8_affine", n, n.small_head(x, 8), ["QDQ", "uint8 image", "scalar affine"],
          notes="padding of the first convolution is 0.0, which is no code of the image")

    n = QNet((3, 16, 16), seed=36)
    x = n.op("Sub", ["image", n.const(np.array([.4, .5, .45], np.float32).reshape(1, 3, 1, 1))])
    x = n.op("Div", [x, n.const(np.array([.2, .25, .22], np.float32).reshape(3, 1, 1))])
    x = n.qdq(x, "int8")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    write(m, "hand_channel_affine", n, n.small_head(x, 8), ["QDQ", "affine step by channel"])

    n = QNet((3, 16, 16), seed=37, dtype=TensorProto.UINT8)
    s = np.float32(1 / 255)
    n.scale["image"] = (n.const(s), n.codes(np.uint8(0), "uint8", "image.zero"), s)
    x = n.dequantize("image")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    write(m, "hand_uint8_codes", n, n.small_head(x, 8), ["QDQ", "uint8 image", "image is codes"])

    for name, act, weight in (("hand_u4s4", "uint4", "int4"), ("hand_s4u4", "int4", "uint4")):
        n = QNet((3, 16, 16), seed=38, opset=21)
        x = n.qdq("image")
        x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]), act)
        x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, kind=weight, pads=PADS)]), act)
        y = n.qdq(n.qconv(x, 8, 8, 1, kind=weight), "int4")
        x = n.qdq(n.op("Relu", [n.op("Add", [x, y])]), act)
        write(m, name, n, n.small_head(x, 8, kind=weight),
              ["QDQ", "4-bit weights", "4-bit activations", "opset 21", "residual Add"],
              notes="codes of four bits are shown as eight")

    n, x = start(seed=39)
    for _ in range(2):
        x = n.qdq(n.op("Relu", [n.bn(n.qconv(x, 8, 8, 3, bias=None, pads=PADS), 8)]))
    write(m, "hand_bn", n, n.small_head(x, 8), ["QDQ", "BatchNormalization"],
          notes="BatchNormalization in float between the convolution and QuantizeLinear")

    n, x = start(seed=40)
    for kind, extra in (("HardSwish", {}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
                        ("LeakyRelu", {"alpha": 0.01}), ("Softplus", {}), ("Gelu", {})):
        if kind == "Gelu":  # as it is written before opset 20
            y = n.qconv(x, 8, 8, 1)
            e = n.op("Erf", [n.op("Div", [y, n.const(np.float32(np.sqrt(2)))])])
            e = n.op("Mul", [y, n.op("Add", [e, n.const(np.float32(1))])])
            x = n.qdq(n.op("Mul", [e, n.const(np.float32(.5))]), "int8")
            continue
        x = n.qdq(n.op(kind, [n.qconv(x, 8, 8, 1)], **extra), "int8")
    y = n.qconv(x, 8, 8, 1)
    x = n.qdq(n.op("Mul", [y, n.op("Sigmoid", [y])]), "int8")
    write(m, "hand_activations", n, n.small_head(x, 8),
          ["QDQ", "HardSwish of sums"], refuse_word="HardSwish")

    n = QNet((3, 16, 16), seed=40, opset=20)
    x = n.qdq("image", symmetric=True, kind="int8")
    x = n.qdq(n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS), "int8")
    for kind, extra in (("HardSwish", {}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
                        ("LeakyRelu", {"alpha": 0.2}), ("Softplus", {}), ("Elu", {"alpha": .5}),
                        ("Sigmoid", {}), ("Tanh", {}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}),
                        ("Mish", {}), ("Selu", {}), ("Softsign", {}), ("PRelu", {}),
                        ("Clip", {})):
        inputs = [x]
        if kind == "PRelu":
            inputs.append(n.const(n.rng.uniform(-.5, .5, (8, 1, 1)).astype(np.float32)))
        if kind == "Clip":
            inputs += [n.const(np.float32(0)), n.const(np.float32(6))]
        y = n.qdq(n.op(kind, inputs, **extra), "int8")
        x = n.qdq(n.qconv(y, 8, 8, 1), "int8")
    e = n.op("Erf", [n.op("Div", [x, n.const(np.float32(np.sqrt(2)))])])
    e = n.op("Mul", [x, n.op("Add", [e, n.const(np.float32(1))])])
    x = n.qdq(n.op("Mul", [e, n.const(np.float32(.5))]), "int8")
    x = n.qdq(n.op("Mul", [x, n.op("Sigmoid", [x])]), "int8")
    write(m, "hand_tables", n, n.small_head(x, 8),
          ["QDQ", "HardSwish", "HardSigmoid", "LeakyRelu", "Softplus", "Elu", "Sigmoid", "Tanh",
           "Gelu", "Mish", "Selu", "Softsign", "PRelu", "Clip", "GELU of Erf",
           "SiLU of Sigmoid and Mul"])

    n, x = start(seed=47)  # of other scales in every channel, for filters of one channel
    x = n.qconv(x, 8, 8, 3, pads=PADS)
    s = n.const((n.rng.uniform(.5, 1, 8) * n.choose(x, "uint8")[0]).astype(np.float32))
    z = n.codes(np.full(8, 120), "uint8", "channels.zero")
    q = n.op("QuantizeLinear", [x, s, z], axis=1)
    x = n.op("DequantizeLinear", [q, s, z], axis=-3)
    w, _ = n.qweight(n.weights((16, 1, 3, 3)), "int8", 0)
    x = n.qdq(n.op("Relu", [n.op("Conv", [x, w], group=8, pads=PADS)]))
    write(m, "hand_depthwise_by_channel", n, n.small_head(x, 16),
          ["QDQ", "activations by channel", "depthwise"])

    n, x = start(seed=48)
    y = n.qconv(x, 8, 8, 3, bias=None, pads=PADS)
    y = n.op("Add", [n.op("Mul", [y, n.const(np.float32(.5))]),
                     n.const(n.rng.normal(0, .1, (8, 1, 1)).astype(np.float32))])
    y = n.op("Div", [y, n.const(n.rng.uniform(.5, 2, (1, 8, 1, 1)).astype(np.float32))])
    x = n.qdq(n.op("Relu", [n.op("Sub", [y, n.const(np.float32(.01))])]))
    head = n.small_head(x, 8, out="raw")
    head = n.op("Add", [n.op("Mul", [head, n.const(np.float32(3))]), n.const(np.float32(-1))])
    write(m, "hand_affine_steps", n, head, ["QDQ", "affine steps behind layers and logits"])

    n, x = start(seed=49)
    x = n.small_head(x, 8, out="raw")
    x = n.op("ArgMax", [n.op("Softmax", [x], axis=1)], axis=1, keepdims=0)

    def integers(model):
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    write(m, "hand_argmax", n, x, ["QDQ", "Softmax and ArgMax"], edit=integers)

    n, x = start(seed=50)  # of two parts that no scale joins
    y = n.qdq(n.op("Relu", [n.qconv(x, 8, 4, 1)]))
    z = n.op("Relu", [n.op("Concat", [n.qconv(x, 8, 8, 1), y], axis=1)])
    x = n.qdq(n.op("MaxPool", [z], kernel_shape=[2, 2], strides=[2, 2]), "int8")
    write(m, "hand_concat_of_sums", n, n.small_head(x, 12),
          ["QDQ", "Concat of sums and codes, ReLU and MaxPool behind"])

    n, x = start(seed=51)
    x = n.qdq(n.op("Transpose", [x], perm=[0, 2, 1, 3]), "int8")
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, pads=PADS)]))
    x = n.op("Transpose", [x], perm=[0, 3, 1, 2])
    write(m, "hand_transposes", n, n.small_head(x, 8), ["QDQ", "Transpose of any axes"])

    n = QNet((3, 16, 16), seed=41)
    x = n.qdq("image", symmetric=True, kind="int8")
    x = n.op("Pad", [x, n.const(np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64)),
                     n.const(np.float32(0))], mode="constant")
    x = n.qdq(n.op("Clip", [n.qconv(x, 3, 8, 2, strides=[2, 2]), n.const(np.float32(0))]))
    x = n.qdq(n.op("Clip", [n.qconv(x, 8, 8, 3, pads=PADS), "", n.const(np.float32(1))]), "int8")
    x = n.qdq(n.op("Min", [n.op("Max", [n.qconv(x, 8, 8, 1), n.const(np.float32(0))]),
                           n.const(np.float32(.7))]))
    write(m, "hand_pad_clip", n, n.small_head(x, 8),
          ["QDQ", "Pad", "Clip with one bound", "Max and Min with constants"])

    n, x = start(seed=42)
    q = n.quantize(n.qconv(x, 8, 8, 3, pads=PADS), "int8")
    s = n.scale[q]
    q = n.op("MaxPool", [q], kernel_shape=[2, 2], strides=[2, 2])
    zero = n.codes(np.int8(-20), "int8", "low")
    q = n.op("Clip", [q, zero, n.codes(np.int8(100), "int8", "high")])
    r = n.op("Concat", [q, n.op("Transpose", [q], perm=[0, 1, 3, 2])], axis=1)
    r = n.op("Flatten", [r])
    n.scale[r] = s
    write(m, "hand_on_codes", n, n.qgemm(n.dequantize(r), 256, 10),
          ["QDQ", "MaxPool, Clip, Transpose, Concat, Flatten of codes"])

    n = QNet((3, 16, 16), seed=43)
    x = n.qdq("image", vector=True)
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, attribute=-4, strides=[2, 2], pads=PADS)]),
              vector=True)
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, kind="uint8", pads=PADS,
                                    zero=np.arange(8) * 3 - 12)]))
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, axis=None, kind="uint8", pads=PADS,
                                    zero_point=False)]))
    write(m, "hand_scale_forms", n, n.small_head(x, 8),
          ["QDQ", "scale of shape [1]", "axis below zero", "zero point by channel",
           "no zero point"])

    n, x = start(seed=44)
    q = n.quantize(n.op("Relu", [n.qconv(x, 8, 8, 3, pads=PADS)]))
    a, b = n.dequantize(q), n.dequantize(q)
    shared = n.qweight(n.weights((8, 8, 3, 3)), "int8", 0)
    y = n.qdq(n.qconv(a, 8, 8, 3, weight=shared, pads=PADS), "int8")
    z = n.qdq(n.op("Relu", [n.qconv(b, 8, 8, 3, weight=shared, pads=PADS)]))
    x = n.qdq(n.op("Relu", [n.op("Add", [y, z])]))
    write(m, "hand_shared", n, n.small_head(x, 8),
          ["QDQ", "shared weights", "one QuantizeLinear, two DequantizeLinear", "residual Add"])

    n, x = start(seed=45)
    y = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, pads=PADS)]))
    y = n.qdq(n.op("Mul", [y, n.const(np.float32(1))]), "int8")
    c = n.const(n.rng.normal(0, .2, (8, 1, 1)).astype(np.float32))
    x = n.qdq(n.op("Sub", [n.qdq(n.op("Add", [x, c]), "int8"), y]), "int8")
    write(m, "hand_requantize", n, n.small_head(x, 8),
          ["QDQ", "code to code", "Mul by 1", "Add of a constant by channel", "Sub"])

    n, x = start(seed=46)
    x = n.op("Flatten", [n.qdq(n.op("MaxPool", [x], kernel_shape=[4, 4], strides=[4, 4]))])
    w, _ = n.qweight(n.weights((32, 12)), "int8", 1)
    y = n.op("Gemm", [x, w, n.const(n.rng.normal(0, .1, 12).astype(np.float32))], alpha=0.5,
             beta=2.0)
    x = n.qdq(n.op("Relu", [y]))
    w, _ = n.qweight(n.weights((12, 10)), "int8", 1)
    y = n.op("MatMul", [x, w])
    y = n.op("Add", [n.const(n.rng.normal(0, .1, (1, 10)).astype(np.float32)), y])
    write(m, "hand_gemm_forms", n, n.op("LogSoftmax", [y], "logp", axis=1),
          ["QDQ", "Gemm alpha and beta", "Gemm not transposed", "per-channel axis 1",
           "MatMul and Add", "LogSoftmax"])

    n, x = start(seed=47)
    y = n.reduce_mean(n.qdq(n.qconv(x, 8, 8, 1), "int8"), [-1], keepdims=1)
    y = n.qdq(n.reduce_mean(n.qdq(y, "int8"), [2], keepdims=1), "int8")
    z = n.qdq(n.reduce_mean(x, [2, 3], keepdims=1))
    x = n.qdq(n.op("Concat", [z, y], axis=-3), "int8")
    x = n.op("Squeeze", [x, n.const(np.array([2, 3], np.int64))])
    write(m, "hand_reduce_mean", n, n.qgemm(x, 16, 10),
          ["QDQ", "ReduceMean one axis", "ReduceMean two axes", "Concat of unequal scales",
           "Squeeze"])

    n, x = start(seed=48)
    x = n.small_head(x, 8, out="scores")
    x = n.dequantize(n.quantize(x, "int8"))
    write(m, "hand_softmax_codes", n, n.qdq(n.op("Softmax", [x], axis=1)),
          ["QDQ", "Softmax", "answer is dequantized"])

    n = QNet((3, 16, 16), seed=49)
    x = n.qdq("image", vector=False)
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, auto_pad="SAME_LOWER", strides=[2, 2])]))
    x = n.qdq(n.op("AveragePool", [x], kernel_shape=[2, 3], strides=[1, 2], auto_pad="SAME_UPPER",
                   count_include_pad=1), "int8")
    x = n.qdq(n.op("AveragePool", [x], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1,
                   pads=[1, 1, 0, 0]), "int8")
    x = n.op("Flatten", [x])
    write(m, "hand_average_pools", n, n.qgemm(x, 8 * 4 * 2, 10),
          ["QDQ", "auto_pad SAME_LOWER", "AveragePool SAME_UPPER counts padding",
           "AveragePool ceil_mode", "window not square"])


def qoperator(m):
    """QLinearConv and QLinearMatMul as the standard has them, with nothing of another domain."""
    n = QNet((3, 16, 16), seed=61)
    x = n.quantize("image")

    def qlinear_conv(x, cin, cout, kernel, kind, per_channel, bias, **attributes):
        s, z, scale = n.scale[x]
        codes, ws, wz = n.weight_codes(n.weights((cout, cin, kernel, kernel)), kind,
                                       0 if per_channel else None)
        base = n.name("kernel")
        w = n.codes(codes, kind, base)
        f = n.const((codes - np.reshape(wz, (-1, 1, 1, 1))).astype(np.float32)
                    * np.reshape(ws, (-1, 1, 1, 1)).astype(np.float32))
        probe = n.op("Conv", [n.dequantize(x), f], **attributes)
        ys, yz = n.choose(probe, "uint8")
        del n.nodes[-2:]  # the probe and its DequantizeLinear
        n.inits = [i for i in n.inits if i.name != f]
        inputs = [x, s, z, w, n.const(ws, base + ".scale"), n.codes(wz, kind, base + ".zero"),
                  n.const(ys), n.codes(np.array(yz), "uint8", base + ".out_zero")]
        if bias:
            b = np.round(n.rng.normal(0, .1, cout) / (scale * ws)).astype(np.int32)
            inputs.append(n.const(b, base + ".bias"))
        y = n.op("QLinearConv", inputs, **attributes)
        n.scale[y] = (inputs[6], inputs[7], ys)
        return y

    x = qlinear_conv(x, 3, 8, 3, "int8", True, True, strides=[2, 2], pads=PADS)
    x = qlinear_conv(x, 8, 8, 3, "uint8", False, False, auto_pad="SAME_UPPER", strides=[2, 2])
    s, z, scale = n.scale[x]
    x = n.op("Reshape", [n.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2]),
                         n.const(np.array([0, -1], np.int64))])
    codes, ws, wz = n.weight_codes(n.weights((10, 32)).T, "int8", 1)
    n.scale[x] = (s, z, scale)
    f = n.const((codes * ws).astype(np.float32))
    probe = n.op("MatMul", [n.dequantize(x), f])
    ys, yz = n.choose(probe, "uint8")
    del n.nodes[-2:]
    n.inits = [i for i in n.inits if i.name != f]
    y = n.op("QLinearMatMul", [x, s, z, n.codes(codes, "int8", "fc"), n.const(ws, "fc.scale"),
                               n.codes(wz, "int8", "fc.zero"), n.const(ys, "out.scale"),
                               n.codes(np.array(yz), "uint8", "out.zero")])
    y = n.op("DequantizeLinear", [y, "out.scale", "out.zero"])
    write(m, "hand_qop_standard", n, y,
          ["QOperator", "QLinearConv", "QLinearMatMul", "weight scale by column", "no bias"],
          notes="no Relu: a convolution whose output type is asymmetric uint8")


def external(m):
    n, x = start(seed=51)
    model = n.model(n.small_head(x, 8))
    folder = common.MODELS / "hand_external"
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    (folder / "model.data").unlink(missing_ok=True)
    onnx.save_model(model, str(path), save_as_external_data=True, all_tensors_to_one_file=True,
                    location="model.data", size_threshold=0)
    common.add_onnx(m, "hand_external", ["QDQ", "external data"], VERSIONS, path=path,
                    shape=(3, 16, 16), notes="model.data beside it, with offsets and lengths")

    for name, location, word in (("hand_external_outside", "../hand_external/model.data", ".."),
                                 ("hand_external_absolute", "/etc/hostname", "/etc/hostname"),
                                 ("hand_external_missing", "absent.data", "absent.data")):
        model = n.model(n.nodes[-1].output[0])
        for tensor in model.graph.initializer:
            if tensor.name == "weight1":
                tensor.ClearField("raw_data")
                tensor.data_location = TensorProto.EXTERNAL
                for key, value in (("location", location), ("offset", "0"), ("length", "216")):
                    tensor.external_data.add(key=key, value=value)
        (common.MODELS / f"{name}.onnx").write_bytes(model.SerializeToString())
        common.add_onnx(m, name, ["QDQ", "external data"], VERSIONS, refuse_word=word)
    model = n.model(n.nodes[-1].output[0])
    data = model.SerializeToString()
    (common.MODELS / "hand_truncated.onnx").write_bytes(data[:len(data) // 2])
    common.add_onnx(m, "hand_truncated", ["QDQ", "half a file"], VERSIONS,
                    refuse_word="hand_truncated.onnx")


def refused(m):
    n = QNet((3, 16, 16), seed=71)
    q = n.quantize("image")
    w = n.codes(np.round(n.weights((8, 3, 3, 3)) * 40), "int8", "w")
    y = n.op("ConvInteger", [q, w, n.scale[q][1]], strides=[2, 2], pads=PADS)
    y = n.op("Mul", [n.op("Cast", [y], to=TensorProto.FLOAT), n.const(np.float32(n.scale[q][2] / 40))])
    x = n.qdq(n.op("Relu", [y]))
    write(m, "hand_conv_integer", n, n.small_head(x, 8), ["ConvInteger"],
          refuse_word="ConvInteger")

    n, x = start(seed=72)
    s = n.const(np.linspace(.01, .02, 8).astype(np.float32))
    z = n.codes(np.zeros(8), "uint8", "z")
    q = n.op("QuantizeLinear", [x, s, z], axis=1)
    y = n.op("DequantizeLinear", [q, s, z], axis=1)
    write(m, "hand_activation_per_channel", n, n.small_head(y, 8),
          ["QDQ", "activations by channel"], refuse_word="for each channel")

    n, x = start(seed=73, opset=21)
    x = n.op("Flatten", [n.qdq(n.op("GlobalAveragePool", [x]))])
    w = n.codes(n.rng.integers(-7, 8, (10, 8)), "int4", "w")
    w = n.op("DequantizeLinear", [w, n.const(n.rng.uniform(.01, .1, (10, 2)).astype(np.float32))],
             axis=1, block_size=4)
    write(m, "hand_blocked", n, n.op("Gemm", [x, w], transB=1), ["QDQ", "block_size"],
          refuse_word="block_size")

    n, x = start(seed=74, opset=19)
    f8 = helper.make_tensor("z8", TensorProto.FLOAT8E4M3FN, [], [0.0])
    n.inits.append(f8)
    s = n.const(np.float32(.01))
    x = n.op("DequantizeLinear", [n.op("QuantizeLinear", [x, s, "z8"]), s, "z8"])
    write(m, "hand_float8", n, n.small_head(x, 8), ["QDQ", "float8"], refuse_word="float8")

    n, x = start(seed=75)
    w = n.const(n.weights((8, 4, 2, 2)))
    x = n.qdq(n.op("ConvTranspose", [x, w], strides=[2, 2]))
    write(m, "hand_conv_transpose", n, n.small_head(x, 4), ["QDQ", "ConvTranspose"],
          refuse_word="ConvTranspose")

    n, x = start(seed=76)
    top = n.op("ReduceMax", [x], keepdims=0)
    s = n.op("Div", [top, n.const(np.float32(255))])
    z = n.codes(np.uint8(0), "uint8", "z")
    x = n.op("DequantizeLinear", [n.op("QuantizeLinear", [x, s, z]), s, z])
    write(m, "hand_scale_computed", n, n.small_head(x, 8), ["QDQ", "scale from the image"],
          refuse_word="scale")

    n, x = start(seed=77)
    w = n.op("Concat", [x] * 2, axis=1)
    w = n.op("ReduceMean", [w], axes=[0], keepdims=1)
    x = n.op("Conv", [w, w])
    write(m, "hand_weights_computed", n, n.small_head(n.qdq(x), 1), ["QDQ", "weights from the image"],
          refuse_word="weight")

    n, x = start(seed=78)
    out = n.small_head(x, 8)
    n.nodes[-1].op_type, n.nodes[-1].domain = "FancyGemm", "com.example"
    write(m, "hand_custom_domain", n, out, ["operator of an unknown domain"],
          refuse_word="FancyGemm", domains=(("com.example", 1),))

    n, x = start(seed=79)
    out = n.small_head(x, 8)

    def nan_scale(model):
        for t in model.graph.initializer:
            if t.name == "q2.scale":
                t.CopyFrom(numpy_helper.from_array(np.float32(np.nan), t.name))
    write(m, "hand_scale_nan", n, out, ["QDQ", "scale is not a number"], refuse_word="scale",
          edit=nan_scale)

    def second_input(model):
        model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N", 1]))
        model.graph.node.append(helper.make_node("Mul", [out, "mask"], ["masked"]))
        model.graph.output[0].name = "masked"
    write(m, "hand_two_inputs", n, out, ["QDQ", "two inputs"], refuse_word="mask",
          edit=second_input)


def main():
    m = common.Manifest("onnx.helper")
    accepted(m)
    qoperator(m)
    external(m)
    refused(m)
    m.save()


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    main()
