"""Layers and what joins them: activations, pools, sums, concatenations, operators on codes."""

import numpy as np
from onnx import TensorProto

from qdq_net import PADS, QNet, start, write


def bn(m):
    n, x = start(seed=39)
    for _ in range(2):
        x = n.qdq(n.op("Relu", [n.bn(n.qconv(x, 8, 8, 3, bias=None, pads=PADS), 8)]))
    write(m, "hand_bn", n, n.small_head(x, 8), ["QDQ", "BatchNormalization"],
          notes="BatchNormalization in float between the convolution and QuantizeLinear")


def activations(m):
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


def tables(m):
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


def depthwise_by_channel(m):
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


def affine_steps(m):
    n, x = start(seed=48)
    y = n.qconv(x, 8, 8, 3, bias=None, pads=PADS)
    y = n.op("Add", [n.op("Mul", [y, n.const(np.float32(.5))]),
                     n.const(n.rng.normal(0, .1, (8, 1, 1)).astype(np.float32))])
    y = n.op("Div", [y, n.const(n.rng.uniform(.5, 2, (1, 8, 1, 1)).astype(np.float32))])
    x = n.qdq(n.op("Relu", [n.op("Sub", [y, n.const(np.float32(.01))])]))
    head = n.small_head(x, 8, out="raw")
    head = n.op("Add", [n.op("Mul", [head, n.const(np.float32(3))]), n.const(np.float32(-1))])
    write(m, "hand_affine_steps", n, head, ["QDQ", "affine steps behind layers and logits"])


def argmax(m):
    n, x = start(seed=49)
    x = n.small_head(x, 8, out="raw")
    x = n.op("ArgMax", [n.op("Softmax", [x], axis=1)], axis=1, keepdims=0)

    def integers(model):
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    write(m, "hand_argmax", n, x, ["QDQ", "Softmax and ArgMax"], edit=integers)


def concat_of_sums(m):
    n, x = start(seed=50)  # of two parts that no scale joins
    y = n.qdq(n.op("Relu", [n.qconv(x, 8, 4, 1)]))
    z = n.op("Relu", [n.op("Concat", [n.qconv(x, 8, 8, 1), y], axis=1)])
    x = n.qdq(n.op("MaxPool", [z], kernel_shape=[2, 2], strides=[2, 2]), "int8")
    write(m, "hand_concat_of_sums", n, n.small_head(x, 12),
          ["QDQ", "Concat of sums and codes, ReLU and MaxPool behind"])


def transposes(m):
    n, x = start(seed=51)
    x = n.qdq(n.op("Transpose", [x], perm=[0, 2, 1, 3]), "int8")
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, pads=PADS)]))
    x = n.op("Transpose", [x], perm=[0, 3, 1, 2])
    write(m, "hand_transposes", n, n.small_head(x, 8), ["QDQ", "Transpose of any axes"])


def pad_clip(m):
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


def on_codes(m):
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


def shared(m):
    n, x = start(seed=44)
    q = n.quantize(n.op("Relu", [n.qconv(x, 8, 8, 3, pads=PADS)]))
    a, b = n.dequantize(q), n.dequantize(q)
    shared = n.qweight(n.weights((8, 8, 3, 3)), "int8", 0)
    y = n.qdq(n.qconv(a, 8, 8, 3, weight=shared, pads=PADS), "int8")
    z = n.qdq(n.op("Relu", [n.qconv(b, 8, 8, 3, weight=shared, pads=PADS)]))
    x = n.qdq(n.op("Relu", [n.op("Add", [y, z])]))
    write(m, "hand_shared", n, n.small_head(x, 8),
          ["QDQ", "shared weights", "one QuantizeLinear, two DequantizeLinear", "residual Add"])


def requantize(m):
    n, x = start(seed=45)
    y = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, pads=PADS)]))
    y = n.qdq(n.op("Mul", [y, n.const(np.float32(1))]), "int8")
    c = n.const(n.rng.normal(0, .2, (8, 1, 1)).astype(np.float32))
    x = n.qdq(n.op("Sub", [n.qdq(n.op("Add", [x, c]), "int8"), y]), "int8")
    write(m, "hand_requantize", n, n.small_head(x, 8),
          ["QDQ", "code to code", "Mul by 1", "Add of a constant by channel", "Sub"])


def reduce_mean(m):
    n, x = start(seed=47)
    y = n.reduce_mean(n.qdq(n.qconv(x, 8, 8, 1), "int8"), [-1], keepdims=1)
    y = n.qdq(n.reduce_mean(n.qdq(y, "int8"), [2], keepdims=1), "int8")
    z = n.qdq(n.reduce_mean(x, [2, 3], keepdims=1))
    x = n.qdq(n.op("Concat", [z, y], axis=-3), "int8")
    x = n.op("Squeeze", [x, n.const(np.array([2, 3], np.int64))])
    write(m, "hand_reduce_mean", n, n.qgemm(x, 16, 10),
          ["QDQ", "ReduceMean one axis", "ReduceMean two axes", "Concat of unequal scales",
           "Squeeze"])


def softmax_codes(m):
    n, x = start(seed=48)
    x = n.small_head(x, 8, out="scores")
    x = n.dequantize(n.quantize(x, "int8"))
    write(m, "hand_softmax_codes", n, n.qdq(n.op("Softmax", [x], axis=1)),
          ["QDQ", "Softmax", "answer is dequantized"])


def average_pools(m):
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


ALL = (bn, activations, tables, depthwise_by_channel, affine_steps, argmax, concat_of_sums,
       transposes, pad_clip, on_codes, shared, requantize, reduce_mean, softmax_codes,
       average_pools)
