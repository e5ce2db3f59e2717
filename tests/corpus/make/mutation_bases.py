"""Networks of one operator each between QuantizeLinear and logits, to be changed by mutations.py."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import common

QONNX = "qonnx.custom_op.general"
SHAPE = (2, 6, 6)
RNG = np.random.default_rng(5)
IMAGES = (RNG.integers(0, 64, (2, *SHAPE)) / 16).astype(np.float32)


class Graph:
    """image -> codes -> reals -> ... -> codes -> reals, flattened."""

    def __init__(self, opset=17, shape=SHAPE):
        self.opset, self.shape, self.nodes, self.inits = opset, shape, [], []
        self.subjects = []

    def const(self, value, dtype=None):
        name = f"c{len(self.inits)}"
        self.inits.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind, inputs, subject=False, domain="", outputs=1, **attributes):
        names = [f"t{len(self.nodes)}{chr(97 + i)}" for i in range(outputs)]
        node = helper.make_node(kind, inputs, names, name=f"n{len(self.nodes)}", domain=domain,
                                **attributes)
        self.nodes.append(node)
        if subject:
            self.subjects.append(node.name)
        return names[0]

    def subject(self, kind, inputs, **more):
        return self.op(kind, inputs, subject=True, **more)

    def q(self, x, scale=2 ** -4, zero=8, dtype=np.uint8, subject=False, **more):
        inputs = [x, self.const(scale, np.float32), self.const(zero, dtype)]
        return self.op("QuantizeLinear", inputs, subject=subject, **more), inputs[1:]

    def qdq(self, x, scale=2 ** -4, zero=8, dtype=np.uint8, subject=False):
        codes, rest = self.q(x, scale, zero, dtype, subject)
        return self.op("DequantizeLinear", [codes, *rest], subject=subject)

    def start(self):
        return self.qdq("image")

    def weight(self, shape, scale=2 ** -5, axis=None, subject=False, zero=0, dtype=np.int8):
        low = 0 if dtype is np.uint8 else -20
        zero = np.full(np.shape(scale), zero) if np.ndim(zero) == 0 else zero
        codes = RNG.integers(low, low + 40, shape)
        extra = {} if axis is None else {"axis": axis}
        return self.op("DequantizeLinear", [self.const(codes, dtype), self.const(scale, np.float32),
                                            self.const(zero, dtype)], subject=subject, **extra)

    def bias(self, count, scale, subject=False):
        extra = {"axis": 0} if np.ndim(scale) else {}
        return self.op("DequantizeLinear", [self.const(RNG.integers(-99, 99, count), np.int32),
                                            self.const(scale, np.float32)], subject=subject, **extra)

    def end(self, x, scale=2 ** -3, dtype=np.int8, zero=3):
        return self.op("Flatten", [self.qdq(x, scale, zero, dtype)])

    def model(self, out):
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *self.shape])],
            [helper.make_tensor_value_info(
                out, TensorProto.INT64 if self.nodes[-1].op_type == "ArgMax" else TensorProto.FLOAT, None)],
            self.inits)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid(common.MICROSOFT, 1),
                   helper.make_opsetid(QONNX, 1)]
        model = helper.make_model(graph, opset_imports=imports)
        model.ir_version = 10
        return model


def conv(opset, **attributes):
    g = Graph(opset)
    x = g.start()
    w = g.weight((4, 1, 3, 2), [2 ** -5, 2 ** -6, 2 ** -5, 2 ** -4], axis=0, subject=True)
    b = g.bias(4, [2 ** -9, 2 ** -10, 2 ** -9, 2 ** -8], subject=True)
    given = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [0, 1, 2, 0],
             "dilations": [1, 2], "group": 2, **attributes}
    return g, g.end(g.subject("Conv", [x, w, b], **given))


def conv_zero_points():
    g = Graph()
    w = g.weight((3, 2, 2, 2), [2 ** -5] * 3, axis=0, subject=True, zero=[3, 17, 20], dtype=np.uint8)
    return g, g.end(g.subject("Conv", [g.start(), w, g.const(RNG.integers(-9, 9, 3) / 512, np.float32)]))


def pool(kind, opset, **attributes):
    g = Graph(opset)
    given = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], **attributes}
    return g, g.end(g.subject(kind, [g.start()], **given), 2 ** -4)


def gemm(opset, **attributes):
    g = Graph(opset)
    x = g.op("Flatten", [g.start()])
    shape = (4, 72) if attributes.get("transB") else (72, 4)
    w = g.weight(shape, [2 ** -5, 2 ** -6, 2 ** -5, 2 ** -7], axis=0 if attributes.get("transB") else 1)
    return g, g.end(g.subject("Gemm", [x, w, g.bias(4, [2 ** -9, 2 ** -10, 2 ** -9, 2 ** -11])], **attributes))


def matmul():
    g = Graph()
    x = g.op("Flatten", [g.start()])
    y = g.subject("MatMul", [x, g.weight((72, 4), 2 ** -6)])
    return g, g.end(g.subject("Add", [y, g.const(RNG.integers(-9, 9, 4) / 64, np.float32)]))


def batch_norm():
    g = Graph()
    y = g.op("Conv", [g.start(), g.weight((4, 2, 1, 1))])
    p = [g.const(v, np.float32) for v in ([1, 2, -.5, .25], [.5, -1, 0, 2], [.25, -.5, 1, 2],
                                          [.25, 1, 4, .0625])]
    return g, g.end(g.subject("BatchNormalization", [y, *p], epsilon=0.0))


def unary(kind, opset=20, sums=False, zero=100, **attributes):
    """Of numbers below 0 too, unless `zero` is 0."""
    g = Graph(opset)
    x = g.qdq(g.op("Sub", [g.start(), g.const(2, np.float32)]), 2 ** -5, zero)
    if sums:
        x = g.op("Conv", [x, g.weight((3, 2, 1, 1))])
    return g, g.end(g.subject(kind, [x], **attributes))


def limits(kind, opset, sums, low=-.5, high=1.25):
    g = Graph(opset)
    x = g.start()
    if sums:
        x = g.op("Conv", [x, g.weight((3, 2, 1, 1))])
    if kind != "Clip":
        return g, g.end(g.subject(kind, [x, g.const(low, np.float32)]))
    return g, g.end(g.subject("Clip", [x, g.const(low, np.float32), g.const(high, np.float32)]))


def clip_codes(low, high):
    g = Graph()
    codes, rest = g.q(g.op("Conv", [g.start(), g.weight((3, 2, 1, 1))]), 2 ** -3, 4)
    codes = g.subject("Clip", [codes, g.const(low, np.uint8), g.const(high, np.uint8)])
    return g, g.end(g.op("DequantizeLinear", [codes, *rest], subject=True))


def with_constant(kind, value, where, left=True):
    g = Graph()
    x = "image"
    if where != "image":
        x = g.start()
    if where == "sums":
        x = g.op("Conv", [x, g.weight((2, 2, 1, 1)), g.bias(2, 2 ** -9)])
    c = g.const(value, np.float32)
    y = g.subject(kind, [x, c] if left else [c, x])
    return g, g.end(g.start_of(y) if where == "image" else y)


def two(kind, second=None):
    g = Graph()
    x = g.start()
    y = g.qdq(g.op("Conv", [x, g.weight((2, 2, 1, 1))]), 2 ** -4, 100)
    z = y if second is None else second(g, y)
    return g, g.end(g.subject(kind, [x, z]), 2 ** -3)


def skip():
    g = Graph()
    x = g.start()
    y = g.op("Conv", [x, g.weight((2, 2, 1, 1)), g.bias(2, 2 ** -9)])
    return g, g.end(g.op("Relu", [g.subject("Add", [y, x])]))


def concat(codes, opset=17):
    g = Graph(opset)
    x, rest = g.q("image")
    real = g.op("DequantizeLinear", [x, *rest])
    y = g.op("Conv", [real, g.weight((3, 2, 1, 1))])
    if codes:
        y, _ = g.q(y)
        return g, g.end(g.op("DequantizeLinear", [g.subject("Concat", [x, y], axis=1), *rest]))
    return g, g.end(g.subject("Concat", [real, g.qdq(y, 2 ** -3, 50)], axis=1))


def moves(kind, extra=(), opset=17, **attributes):
    g = Graph(opset)
    return g, g.end(g.subject(kind, [g.start(), *[g.const(e) for e in extra]], **attributes))


def reduce_mean(opset):
    g = Graph(opset)
    inputs, attributes = [g.start()], {"keepdims": 0}
    if opset >= 18:
        inputs.append(g.const([2, 3], np.int64))
    else:
        attributes["axes"] = [2, 3]
    return g, g.end(g.subject("ReduceMean", inputs, **attributes), 2 ** -5)


def padded(opset):
    g = Graph(opset)
    p = g.subject("Pad", [g.start(), g.const([0, 0, 1, 0, 0, 0, 2, 1], np.int64), g.const(0, np.float32)])
    return g, g.end(g.op("Conv", [p, g.weight((3, 2, 3, 3))]))


def gathered():
    g = Graph()
    x = g.op("Flatten", [g.start()])
    return g, g.end(g.subject("Gather", [x, g.const([3, 1, 70, -1], np.int64)], axis=1))


def head(kind, **attributes):
    g = Graph(attributes.pop("opset", 17))
    x = g.op("Gemm", [g.op("Flatten", [g.start()]), g.weight((72, 5), 2 ** -8)])
    inputs = [x] + ([g.const([2], np.int64)] if kind == "TopK" else [])
    y = g.subject(kind, inputs, outputs=2 if kind == "TopK" else 1, **attributes)
    return g, y


def quantizers(domain="", opset=17, **attributes):
    g = Graph(opset)
    x = g.qdq("image", 2 ** -4, 8, subject=True)
    x = g.qdq(g.op("Conv", [x, g.weight((3, 2, 1, 1))]), 2 ** -3, -7, np.int8, subject=True)
    return g, g.end(x)


def channel_scales():
    g = Graph()
    x = g.op("Conv", [g.start(), g.weight((3, 2, 1, 1))])
    s, z = g.const([2 ** -3, 2 ** -4, 2 ** -2], np.float32), g.const([5, 5, 5], np.uint8)
    x = g.subject("QuantizeLinear", [x, s, z], axis=1)
    x = g.subject("DequantizeLinear", [x, s, z], axis=1)
    return g, g.end(g.op("Conv", [x, g.weight((6, 1, 2, 2))], group=3))


def folded():
    """Weights quantized in the graph, from floats, by way of constants that nodes compute."""
    g = Graph()
    w = g.const(RNG.integers(-60, 60, (3, 2, 2, 2)) / 64, np.float32)
    s, z = g.const([2 ** -5, 2 ** -6, 2 ** -5], np.float32), g.const([0, 2, 1], np.int8)
    q = g.subject("QuantizeLinear", [w, s, z], axis=0)
    q = g.subject("Clip", [q, g.const(-32, np.int8), g.const(31, np.int8)])
    w = g.subject("DequantizeLinear", [q, s, z], axis=0)
    w = g.subject("Transpose", [w], perm=[0, 1, 3, 2])
    return g, g.end(g.op("Conv", [g.start(), w]))


def computed_shape():
    g = Graph()
    x = g.start()
    s = g.subject("Shape", [x])
    n = g.subject("Gather", [s, g.const(0, np.int64)], axis=0)
    n = g.subject("Unsqueeze", [n, g.const([0], np.int64)])
    t = g.subject("Slice", [s, g.const([1], np.int64), g.const([2], np.int64), g.const([0], np.int64),
                            g.const([1], np.int64)])
    t = g.subject("Mul", [t, g.const([36], np.int64)])
    s = g.subject("Concat", [n, t], axis=0)
    s = g.subject("Cast", [s], to=TensorProto.INT64)
    return g, g.end(g.subject("Reshape", [x, s]))


def qlinear(kind, **attributes):
    g = Graph()
    product = kind in ("QLinearConv", "QLinearMatMul", "QGemm")
    # No powers of two where the runtime adds the zero point before it rounds ties.
    x, rest = g.q("image", 2 ** -4 if product else .0613)
    out = [g.const(2 ** -3 if product else .1307, np.float32), g.const(9, np.uint8)]
    ms = "" if kind in ("QLinearConv", "QLinearMatMul") else common.MICROSOFT
    if kind == "QLinearConv":
        w = [g.const(RNG.integers(-20, 20, (3, 2, 2, 2)), np.int8),
             g.const([2 ** -5, 2 ** -4, 2 ** -5], np.float32), g.const([0, 0, 0], np.int8)]
        inputs = [x, *rest, *w, *out, g.const(RNG.integers(-99, 99, 3), np.int32)]
    elif kind in ("QLinearMatMul", "QGemm"):
        x = g.op("Flatten", [x])
        w = [g.const(RNG.integers(0, 40, (72, 4)), np.uint8), g.const(2 ** -7, np.float32),
             g.const(20, np.uint8)]
        inputs = [x, *rest, *w] + ([g.const(RNG.integers(-99, 99, 4), np.int32)] if kind == "QGemm" else []) + out
    elif kind in ("QLinearAdd", "QLinearMul"):
        y, other = g.q(g.op("Conv", [g.op("DequantizeLinear", [x, *rest]), g.weight((2, 2, 1, 1))]),
                       .0511, 100)
        inputs = [x, *rest, y, *other, *out]
    elif kind == "QLinearConcat":
        y, other = g.q(g.op("Conv", [g.op("DequantizeLinear", [x, *rest]), g.weight((2, 2, 1, 1))]),
                       .0511, 100)
        inputs = [*out, x, *rest, y, *other]
    elif kind in ("QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearLeakyRelu", "QLinearSigmoid"):
        inputs = [x, *rest, *out]
    y = g.subject(kind, inputs, domain=ms, **attributes)
    return g, g.op("Flatten", [g.op("DequantizeLinear", [y, *out])])


def quant(zero=0.0, bits=4.0, op="Quant", rounding="ROUND", **attributes):
    g = Graph()
    def q(x, scale, z, b, subject, **more):
        return g.op(op, [x, g.const(scale, np.float32), g.const(z, np.float32), g.const(b, np.float32)],
                    subject=subject, domain=QONNX, **more)
    x = q("image", 2 ** -5, 0.0, 8.0, False, signed=0, narrow=0, rounding_mode="ROUND")
    w = q(g.const(RNG.integers(-99, 99, (3, 2, 2, 2)) / 128, np.float32),
          np.array([2 ** -4, 2 ** -5, 2 ** -4]).reshape(3, 1, 1, 1), 0.0, 4.0, True, signed=1, narrow=1,
          rounding_mode=rounding)
    y = g.op("Conv", [x, w])
    y = q(y, 2 ** -3, zero, bits, True, signed=1, narrow=0, rounding_mode="ROUND")
    return g, g.op("Flatten", [y])


def bipolar():
    g = Graph()
    x = g.op("Quant", ["image", g.const(2 ** -5, np.float32), g.const(0, np.float32), g.const(8, np.float32)],
             domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    w = g.subject("BipolarQuant", [g.const(RNG.integers(-99, 99, (3, 2, 2, 2)) / 128, np.float32),
                                   g.const(.25, np.float32)], domain=QONNX)
    y = g.subject("BipolarQuant", [g.op("Conv", [x, w]), g.const(.5, np.float32)], domain=QONNX)
    return g, g.op("Flatten", [y])


def trunc():
    g = Graph()
    x = g.op("Quant", ["image", g.const(2 ** -2, np.float32), g.const(0, np.float32), g.const(4, np.float32)],
             domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    x = g.op("AveragePool", [x], kernel_shape=[4, 4])
    x = g.subject("Trunc", [x, g.const(2 ** -6, np.float32), g.const(0, np.float32), g.const(8, np.float32),
                            g.const(4, np.float32)], domain=QONNX, rounding_mode="FLOOR")
    return g, g.op("Flatten", [x])


def thresholds():
    g = Graph()
    x = g.op("Quant", ["image", g.const(2 ** -2, np.float32), g.const(0, np.float32), g.const(4, np.float32)],
             domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    x = g.subject("MultiThreshold", [x, g.const([[.5, 1, 2], [.25, .3, 3]], np.float32)], domain=QONNX,
                  out_dtype="UINT2", out_scale=.5, out_bias=0.0)
    return g, g.op("Flatten", [x])


Graph.start_of = lambda self, y: self.qdq(y, 2 ** -5, 60)


def bases():
    yield "Conv", conv(17)
    yield "Conv opset 11 form", conv(13, auto_pad="NOTSET")
    yield "Conv zero points", conv_zero_points()
    for kind in ("MaxPool", "AveragePool"):
        for opset in (11, 19, 22):
            yield f"{kind} {opset}", pool(kind, opset if kind == "MaxPool" or opset < 22 else 21)
    yield "GlobalAveragePool", moves("GlobalAveragePool")
    yield "GlobalMaxPool", moves("GlobalMaxPool")
    yield "Gemm", gemm(17, alpha=1.0, beta=1.0, transA=0, transB=1)
    yield "Gemm columns", gemm(13)
    yield "MatMul", matmul()
    yield "BatchNormalization", batch_norm()
    for sums in (False, True):
        yield f"Relu {sums}", unary("Relu", sums=sums)
        yield f"Clip {sums}", limits("Clip", 17, sums)
        yield f"Clip from 0 {sums}", limits("Clip", 17, sums, 0.0, 1.0)
        yield f"Max {sums}", limits("Max", 17, sums)
        yield f"Min {sums}", limits("Min", 17, sums)
    yield "Clip of codes", clip_codes(0, 15)
    yield "Clip of codes, narrow", clip_codes(2, 99)
    for kind, attributes in (("LeakyRelu", {"alpha": .25}), ("Elu", {"alpha": .5}),
                             ("HardSigmoid", {"alpha": .25, "beta": .5}), ("HardSwish", {}), ("Sigmoid", {}),
                             ("Tanh", {}), ("Softplus", {}), ("Abs", {}), ("Neg", {}), ("Exp", {}),
                             ("Sqrt", {"zero": 0}),
                             ("Erf", {}), ("Gelu", {"approximate": "none"}), ("Mish", {}),
                             ("Selu", {"alpha": 1.5, "gamma": 1.25}), ("Softsign", {})):
        yield kind, unary(kind, **attributes)
    yield "PRelu", moves("PRelu", [np.array([[[.5]], [[-.25]]], np.float32)])
    by_channel = np.array([[[.5]], [[-.25]]], np.float32)
    for kind in ("Add", "Sub", "Mul", "Div"):
        for where in ("image", "reals", "sums"):
            for name, value in (("number", np.float32(.25)), ("channels", by_channel)):
                yield f"{kind} {where} {name}", with_constant(kind, value, where)
        yield f"{kind} constant first", with_constant(kind, np.float32(2), "reals", left=False)
    for kind in ("Add", "Sub", "Mul"):
        yield f"{kind} of two", two(kind)
        yield f"{kind} of a plane and channels", two(
            kind, lambda g, y: g.qdq(g.op("GlobalAveragePool", [y]), 2 ** -5, 128))
    yield "Add as skip", skip()
    yield "Concat", concat(False)
    yield "Concat of codes", concat(True)
    for opset in (13, 18):
        yield f"ReduceMean {opset}", reduce_mean(opset)
    yield "Pad", padded(18)
    yield "Flatten", moves("Flatten", axis=1)
    yield "Reshape", moves("Reshape", [np.array([0, -1], np.int64)], allowzero=0)
    yield "Reshape planes", moves("Reshape", [np.array([0, 4, 3, 6], np.int64)], allowzero=0)
    yield "Transpose", moves("Transpose", perm=[0, 2, 3, 1])
    yield "Transpose rows", moves("Transpose", perm=[0, 1, 3, 2])
    yield "Squeeze", (lambda g: (g, g.end(g.subject("Squeeze", [g.op("GlobalAveragePool", [g.start()]),
                                                                g.const([2, 3], np.int64)]), 2 ** -5)))(Graph())
    yield "Unsqueeze", (lambda g: (g, g.end(g.subject("Unsqueeze", [g.op("Flatten", [g.start()]),
                                                                    g.const([2], np.int64)]))))(Graph())
    yield "Identity", moves("Identity")
    yield "Cast", moves("Cast", to=TensorProto.FLOAT)
    yield "Dropout", moves("Dropout", [np.float32(.5), np.bool_(False)], seed=1)
    yield "Gather", gathered()
    for kind, attributes in (("Softmax", {"axis": 1}), ("Softmax", {"axis": 1, "opset": 11}),
                             ("LogSoftmax", {"axis": -1}),
                             ("ArgMax", {"axis": 1, "keepdims": 0, "select_last_index": 0}),
                             ("TopK", {"axis": 1, "largest": 1, "sorted": 1})):
        yield f"{kind} {attributes}", head(kind, **attributes)
    yield "QuantizeLinear", quantizers()
    yield "QuantizeLinear 21", quantizers(opset=21)
    yield "scales by channel", channel_scales()
    yield "folded weights", folded()
    yield "computed shape", computed_shape()
    yield "QLinearConv", qlinear("QLinearConv", kernel_shape=[2, 2], strides=[1, 2], pads=[1, 0, 0, 1],
                                 dilations=[2, 1], group=1)
    yield "QLinearMatMul", qlinear("QLinearMatMul")
    yield "QGemm", qlinear("QGemm", alpha=1.0, transA=0, transB=0)
    yield "QLinearAdd", qlinear("QLinearAdd")
    yield "QLinearMul", qlinear("QLinearMul")
    yield "QLinearConcat", qlinear("QLinearConcat", axis=1)
    yield "QLinearAveragePool", qlinear("QLinearAveragePool", kernel_shape=[2, 2], strides=[2, 1],
                                        pads=[1, 0, 0, 1], ceil_mode=0, count_include_pad=0, channels_last=0)
    yield "QLinearGlobalAveragePool", qlinear("QLinearGlobalAveragePool", channels_last=0)
    yield "QLinearLeakyRelu", qlinear("QLinearLeakyRelu", alpha=.25)
    yield "QLinearSigmoid", qlinear("QLinearSigmoid")
    yield "Quant", quant()
    yield "Quant with zero point", quant(zero=2.0)
    yield "IntQuant", quant(op="IntQuant")
    yield "BipolarQuant", bipolar()
    yield "Trunc", trunc()
    yield "MultiThreshold", thresholds()
