"""TensorFlow Lite models put together operator by operator: scales, zero points, windows and types
that the converter chooses alike for all, and files that must be refused."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as s

import common
from tflite import run

VERSIONS = {"tensorflow": tf.__version__}
TYPES = {"int8": s.TensorType.INT8, "uint8": s.TensorType.UINT8, "int32": s.TensorType.INT32,
         "float32": s.TensorType.FLOAT32}
RELU, RELU6, N1_TO_1 = 1, 3, 2
SAME, VALID = 0, 1


class Graph:
    def __init__(self, name, dtype, shape, scale=1 / 64, zero=None, seed=7):
        self.dtype, self.rng, self.name = dtype, np.random.default_rng(seed), name
        self.model = s.ModelT()
        self.model.version, self.model.description = 3, b"made by hand"
        self.model.buffers, self.model.operatorCodes = [s.BufferT()], []
        self.graph = s.SubGraphT()
        self.graph.name, self.graph.tensors, self.graph.operators = name, [], []
        self.model.subgraphs = [self.graph]
        self.image = self.codes("image", shape, scale, self.zero(zero))
        self.graph.inputs = [self.image]

    def zero(self, zero):
        """The middle of the codes where it is not given; given as for int8."""
        zero = 3 if zero is None else zero
        return zero + (128 if self.dtype == "uint8" else 0)

    def tensor(self, name, shape, dtype, scales=(), zeros=(), data=None, axis=0):
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), TYPES[dtype], 0
        if len(scales):
            t.quantization = s.QuantizationParametersT()
            t.quantization.scale = [float(v) for v in scales]
            t.quantization.zeroPoint = [int(v) for v in zeros]
            t.quantization.quantizedDimension = axis
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(b)
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def codes(self, name, shape, scale, zero, data=None):
        return self.tensor(name, shape, self.dtype, [scale], [zero], data)

    def ints(self, values, shape=None):
        values = np.array(values, np.int32)
        return self.tensor(f"list_{len(self.graph.tensors)}",
                           values.shape if shape is None else shape, "int32", data=values)

    def shape(self, index):
        return list(self.graph.tensors[index].shape)

    def scale(self, index):
        return float(self.graph.tensors[index].quantization.scale[0])

    def same(self, index):
        q = self.graph.tensors[index].quantization
        return float(q.scale[0]), int(q.zeroPoint[0])

    def op(self, kind, inputs, shape, scale, zero, options=None, name=None, raw=False):
        code = getattr(s.BuiltinOperator, kind)
        known = [c.builtinCode for c in self.model.operatorCodes]
        if code not in known:
            c = s.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), 1
            self.model.operatorCodes.append(c)
            known.append(code)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs = known.index(code), inputs
        if options is not None:
            o.builtinOptions = options
            o.builtinOptionsType = getattr(s.BuiltinOptions, type(options).__name__[:-1])
        out = self.codes(name or f"{kind.lower()}_{len(self.graph.operators)}", shape, scale,
                         zero if raw else self.zero(zero))
        o.outputs = [out]
        self.graph.operators.append(o)
        return out

    def weights(self, shape, axis, per_channel, zero=0):
        fan = np.prod(shape) / shape[axis]
        if self.dtype == "uint8":
            data, zeros = self.rng.integers(0, 256, shape).astype(np.uint8), [117 + zero]
            scales = [1 / 60 / np.sqrt(fan)]
        else:
            data = self.rng.integers(-127, 128, shape).astype(np.int8)
            count = shape[axis] if per_channel else 1
            scales = self.rng.uniform(.5, 1.5, count) / 60 / np.sqrt(fan)
            zeros = [0] * count
        name = f"filter_{len(self.graph.tensors)}"
        return self.tensor(name, shape, self.dtype, scales, zeros, data, axis), scales

    def bias(self, src, scales, count):
        scales = np.float32(self.scale(src)) * np.float32(scales)
        values = np.round(self.rng.normal(0, .3, count) / scales).astype(np.int32)
        return self.tensor(f"bias_{len(self.graph.tensors)}", [count], "int32", scales,
                           [0] * len(scales), values)

    def window(self, src, kernel, stride, padding, dilation=(1, 1)):
        out = []
        for size, k, st, d in zip(self.shape(src)[1:3], kernel, stride, dilation):
            reach = (k - 1) * d + 1
            out.append(-(-size // st) if padding == SAME else (size - reach) // st + 1)
        return out

    def conv(self, src, channels, kernel=(3, 3), stride=(1, 1), padding=SAME, dilation=(1, 1),
             act=0, depth=0, groups=1, per_channel=True, scale=1 / 32, zero=None, bias=True):
        shape = self.shape(src)
        o = s.DepthwiseConv2DOptionsT() if depth else s.Conv2DOptionsT()
        o.padding, o.strideH, o.strideW = padding, *stride
        o.dilationHFactor, o.dilationWFactor = dilation
        o.fusedActivationFunction = act
        if depth:
            o.depthMultiplier, channels = depth, shape[3] * depth
            w, scales = self.weights([1, *kernel, channels], 3, per_channel)
        else:
            w, scales = self.weights([channels, *kernel, shape[3] // groups], 0, per_channel)
        b = [self.bias(src, scales, channels)] if bias else []
        return self.op("DEPTHWISE_CONV_2D" if depth else "CONV_2D", [src, w, *b],
                       [1, *self.window(src, kernel, stride, padding, dilation), channels], scale,
                       zero, o)

    def pool(self, kind, src, kernel, stride, padding=VALID, act=0):
        o = s.Pool2DOptionsT()
        o.padding, o.strideH, o.strideW = padding, *stride
        o.filterHeight, o.filterWidth = kernel
        o.fusedActivationFunction = act
        return self.op(kind, [src], [1, *self.window(src, kernel, stride, padding),
                                     self.shape(src)[3]], *self.same(src), o, raw=True)

    def dense(self, src, outputs=10, act=0, per_channel=False, bias=True, keep=False,
              scale=1 / 16, zero=None):
        shape = self.shape(src)
        inputs = shape[-1] if keep else int(np.prod(shape[1:]))
        w, scales = self.weights([outputs, inputs], 0, per_channel, zero=3)
        o = s.FullyConnectedOptionsT()
        o.fusedActivationFunction, o.keepNumDims = act, keep
        b = [self.bias(src, scales, outputs)] if bias else []
        return self.op("FULLY_CONNECTED", [src, w, *b],
                       [*shape[:-1], outputs] if keep else [1, outputs], scale, zero, o)

    def unary(self, kind, src, scale, zero, options=None, more=()):
        return self.op(kind, [src, *more], self.shape(src), scale, zero, options)

    def leaky(self, src, alpha, scale, zero):
        o = s.LeakyReluOptionsT()
        o.alpha = alpha
        return self.unary("LEAKY_RELU", src, scale, zero, o)

    def constant(self, shape, scale, zero):
        low, high = (0, 256) if self.dtype == "uint8" else (-128, 128)
        data = self.rng.integers(low, high, shape).astype(self.dtype)
        return self.codes(f"constant_{len(self.graph.tensors)}", shape, scale, self.zero(zero),
                          data)

    def pair(self, kind, a, b, scale, zero, act=0):
        o = s.AddOptionsT() if kind == "ADD" else s.MulOptionsT()
        o.fusedActivationFunction = act
        shape = np.broadcast_shapes(tuple(self.shape(a)), tuple(self.shape(b)))
        return self.op(kind, [a, b], [int(v) for v in shape], scale, zero, o)

    def mean(self, src, axes, keep, scale, zero):
        o = s.ReducerOptionsT()
        o.keepDims = keep
        rank = len(self.shape(src))
        at = {a % rank for a in axes}
        shape = [1 if i in at else v for i, v in enumerate(self.shape(src)) if keep or i not in at]
        return self.op("MEAN", [src, self.ints(axes)], shape, scale, zero, o)

    def concat(self, parts, scale=None, zero=None):
        o = s.ConcatenationOptionsT()
        o.axis = -1
        shape = self.shape(parts[0])
        shape[-1] = sum(self.shape(p)[-1] for p in parts)
        if scale is None:
            return self.op("CONCATENATION", parts, shape, *self.same(parts[0]), o, raw=True)
        return self.op("CONCATENATION", parts, shape, scale, zero, o)

    def pad(self, src, amounts):
        shape = [int(v + sum(p)) for v, p in zip(self.shape(src), amounts)]
        return self.op("PAD", [src, self.ints(amounts)], shape, *self.same(src), s.PadOptionsT(),
                       raw=True)

    def reshape(self, src, shape, kind="RESHAPE"):
        """EXPAND_DIMS and SQUEEZE are of axis 1."""
        o = None
        if kind == "SQUEEZE":
            o = s.SqueezeOptionsT()
            o.squeezeDims = [1]
        more = {"RESHAPE": [self.ints(shape)], "EXPAND_DIMS": [self.ints(1, [])], "SQUEEZE": []}
        return self.op(kind, [src, *more[kind]], shape, *self.same(src), o, raw=True)

    def transpose(self, src, order):
        return self.op("TRANSPOSE", [src, self.ints(order)], [self.shape(src)[i] for i in order],
                       *self.same(src), s.TransposeOptionsT(), raw=True)

    def finish(self, out):
        self.graph.outputs = [out]
        return self.bytes()

    def bytes(self):
        b = flatbuffers.Builder(1024)
        b.Finish(self.model.Pack(b), b"TFL3")
        return bytes(b.Output())

    def images(self):
        low, high = (0, 256) if self.dtype == "uint8" else (-128, 128)
        rng = np.random.default_rng(3)
        return rng.integers(low, high, [3, *self.shape(self.image)[1:]]).astype(self.dtype)


def windows(dtype):
    g = Graph("windows", dtype, [1, 17, 14, 3])
    x = g.conv(g.image, 8, (3, 3), (2, 3), SAME, act=RELU)
    x = g.conv(x, 0, (3, 2), (2, 2), SAME, depth=1, act=RELU6, scale=1 / 24, zero=-128)
    y = g.conv(g.image, 8, (5, 3), (1, 1), VALID, dilation=(2, 3), act=N1_TO_1, scale=1 / 100)
    y = g.conv(y, 0, (3, 3), (2, 2), SAME, depth=2, dilation=(1, 1), scale=1 / 28, zero=-20)
    y = g.pool("AVERAGE_POOL_2D", y, (3, 2), (2, 2), SAME)
    y = g.pool("MAX_POOL_2D", y, (2, 2), (1, 1), SAME)
    z = g.pad(g.image, [[0, 0], [1, 2], [3, 0], [0, 0]])
    z = g.conv(z, 6, (3, 3), (3, 2), SAME, scale=1 / 20, zero=-128, act=RELU)
    z = g.pad(z, [[0, 0], [1, 1], [1, 0], [0, 0]])
    z = g.pool("MAX_POOL_2D", z, (3, 3), (2, 2))
    u = g.pad(g.conv(g.image, 4, (1, 1), (2, 2)), [[0, 0], [1, 0], [0, 2], [0, 0]])
    u = g.pool("AVERAGE_POOL_2D", u, (3, 3), (2, 2), act=RELU)
    parts = [g.dense(v, 8) for v in (x, y, z, u)]
    return g, g.finish(g.dense(g.concat(parts)))


def tables(dtype):
    g = Graph("tables", dtype, [1, 12, 12, 3], scale=1 / 21, zero=-9)
    i = g.image
    alpha = g.constant([1, 1, 3], 1 / 99, 11)
    out = [g.unary("RELU", i, 1 / 17, -128), g.unary("RELU6", i, 1 / 37, -100),
           g.unary("RELU_N1_TO_1", i, 1 / 80, 5), g.leaky(i, .3, 1 / 30, -50),
           g.leaky(i, -.7, 1 / 25, -50), g.unary("HARD_SWISH", i, 1 / 21, -60),
           g.unary("HARD_SWISH", i, 1 / 40, -90), g.unary("LOGISTIC", i, 1 / 256, -128),
           g.unary("TANH", i, 1 / 128, 0), g.unary("PRELU", i, 1 / 30, 10, more=[alpha])]
    if dtype == "int8":
        out = [g.unary("QUANTIZE", v, 1 / 30, -40) for v in out]
        x = g.concat(out)
    else:
        x = g.concat(out, 1 / 30, -40)
    return g, g.finish(g.dense(x))


def arithmetic(dtype):
    g = Graph("arithmetic", dtype, [1, 9, 10, 4])
    i = g.image
    a = g.conv(i, 4, (1, 1), scale=1 / 40, zero=-5)
    b = g.conv(i, 4, (3, 3), scale=1 / 13, zero=20)
    x = g.pair("ADD", a, b, 1 / 15, -7)
    x = g.pair("ADD", x, x, 1 / 9, 2, act=RELU)
    x = g.pair("ADD", x, g.constant([4], 1 / 50, 3), 1 / 11, -100, act=RELU6)
    y = g.pair("MUL", a, b, 1 / 19, 9)
    y = g.pair("MUL", y, g.constant([1, 1, 1, 4], 1 / 70, 0), 1 / 31, -12, act=N1_TO_1)
    y = g.pair("MUL", g.constant([], 1 / 70, -128), y, 1 / 40, 1)
    m = g.mean(i, [1, 2], True, 1 / 300, 4)
    z = g.pair("ADD", m, a, 1 / 33, 0)
    z = g.pair("MUL", z, m, 1 / 210, 0, act=RELU)
    r = g.mean(x, [1], False, 1 / 17, -11)
    c = g.mean(y, [-2], True, 1 / 55, 6)
    k = g.mean(g.image, [2, 1], False, *g.same(i)) if dtype == "int8" else g.mean(
        g.image, [2, 1], False, 1 / 90, 3)
    parts = [g.dense(v, 6) for v in (x, y, z, r, c, k)]
    return g, g.finish(g.dense(g.concat(parts), act=RELU))


def shapes(dtype):
    g = Graph("shapes", dtype, [1, 6, 8, 4])
    x = g.conv(g.image, 4, (3, 3))
    y = g.transpose(x, [0, 2, 3, 1])
    y = g.conv(y, 6, (3, 3), groups=2, act=RELU)
    y = g.reshape(y, [1, 4, 12, 4])
    y = g.conv(y, 4, (3, 3), (2, 2), per_channel=False)
    z = g.reshape(x, [1, 48, 4])
    z = g.dense(z, 5, keep=True, act=RELU)
    z = g.transpose(z, [0, 2, 1])
    z = g.dense(z, 3, keep=True)
    z = g.mean(z, [1], False, 1 / 30, 0)
    z = g.reshape(g.reshape(z, [1, 1, 3], "EXPAND_DIMS"), [1, 3], "SQUEEZE")
    u = g.reshape(x, [1, 192])
    u = g.dense(u, 5, per_channel=dtype == "int8", bias=False)
    parts = [g.dense(v, 8) for v in (y, z, u)]
    return g, g.finish(g.dense(g.concat(parts)))


def refused(kind):
    g = Graph(kind, "int8", [1, 8, 8, 3])
    x = g.conv(g.image, 4)
    if kind == "resize":
        o = s.ResizeBilinearOptionsT()
        x = g.op("RESIZE_BILINEAR", [x, g.ints([16, 16])], [1, 16, 16, 4], *g.same(x), o, raw=True)
    if kind == "custom":
        c = s.OperatorCodeT()
        c.builtinCode = c.deprecatedBuiltinCode = s.BuiltinOperator.CUSTOM
        c.customCode, c.version = b"FancyPool", 1
        x = g.pool("MAX_POOL_2D", x, (2, 2), (2, 2))
        g.model.operatorCodes[-1] = c
    if kind == "two_inputs":
        other = g.codes("mask", g.shape(x), 1 / 9, 0)
        g.graph.inputs.append(other)
        x = g.pair("ADD", x, other, 1 / 9, 0)
    g.finish(g.dense(x))
    if kind == "no_scale":
        g.graph.tensors[x].quantization = None
    if kind == "zero_scale":
        g.graph.tensors[g.graph.operators[0].inputs[1]].quantization.scale[1] = 0
    if kind == "bias_scale":
        q = g.graph.tensors[g.graph.operators[0].inputs[2]].quantization
        q.scale = [v * 1.5 for v in q.scale]
    return g.bytes()


def main():
    m = common.Manifest("TensorFlow Lite schema")
    both = {"windows": (windows, ["kernel and stride not square", "SAME with odd padding", "dilated",
                                  "PAD in front of pools", "depth multiplier 2", "RELU_N1_TO_1"]),
            "tables": (tables, ["RELU", "LEAKY_RELU below 0", "HARD_SWISH", "LOGISTIC", "TANH",
                                "PRELU", "CONCATENATION of unequal scales"]),
            "arithmetic": (arithmetic, ["ADD and MUL of unequal scales", "by channel",
                                        "with constants", "fused ReLU6", "MEAN one axis"]),
            "shapes": (shapes, ["TRANSPOSE", "RESHAPE to other planes", "keep_num_dims",
                                "EXPAND_DIMS", "SQUEEZE", "grouped", "no bias"])}
    for name, (make, features) in both.items():
        for dtype in ("int8", "uint8"):
            g, data = make(dtype)
            full = f"tflite_{name}_{dtype}_hand"
            (common.MODELS / f"{full}.tflite").write_bytes(data)
            images = g.images()
            source, images, tensors, answer, quant = run(data, images)
            common.save_expected(full, m.tool, VERSIONS, source, images, tensors, answer,
                                 "images are height, width, channel", {"quant": quant})
            m.add(full, f"{full}.tflite", [dtype, *features])
    for kind, word in (("resize", "RESIZE_BILINEAR"), ("custom", "FancyPool"),
                       ("no_scale", "scale"), ("zero_scale", "scale 0"),
                       ("bias_scale", "bias"), ("two_inputs", "mask")):
        full = f"tflite_{kind}"
        (common.MODELS / f"{full}.tflite").write_bytes(refused(kind))
        (common.EXPECTED / f"{full}.json").write_text(common.pretty(
            {"tool": m.tool, "versions": VERSIONS, "refuse": word, "notes": "", "tensors": []}))
        m.add(full, f"{full}.tflite", [kind.replace("_", " ")], word)
    m.save()


if __name__ == "__main__":
    main()
