"""Ways to write one thing: constants, images, batches, scales, codes of four bits, Gemm."""

import numpy as np
from onnx import TensorProto, numpy_helper

from qdq_net import PADS, QNet, start, write


def bias_forms(m):
    n, x = start(seed=31)
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, bias="float", pads=PADS)]))
    x = n.qdq(n.op("Relu", [n.qconv(x, 8, 8, 3, bias=None, pads=PADS)]))
    write(m, "hand_bias_forms", n, n.small_head(x, 8),
          ["QDQ", "int32 bias", "float bias", "no bias", "per-channel"])


def constants(m):
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


def initializers_as_inputs(m):
    n, x = start(seed=33, opset=13, ir=3)
    write(m, "hand_initializers_as_inputs", n, n.small_head(x, 8),
          ["QDQ", "initializers as inputs", "IR version 3"], initializers_as_inputs=True)


def batches(m):
    for name, batch in (("hand_batch_1", 1), ("hand_batch_unnamed", None)):
        n, x = start(seed=34, batch=batch)
        write(m, name, n, n.small_head(x, 8), ["QDQ", f"batch {batch or 'without a name'}"])


def uint8_affine(m):
    n = QNet((3, 16, 16), seed=35, dtype=TensorProto.UINT8)
    x = n.op("Cast", ["image"], to=TensorProto.FLOAT)
    x = n.op("Mul", [x, n.const(np.float32(1 / 255))])
    x = n.op("Div", [n.op("Sub", [x, n.const(np.float32(0.45))]), n.const(np.float32(0.22))])
    x = n.qdq(x, "int8")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    write(m, "hand_uint8_affine", n, n.small_head(x, 8), ["QDQ", "uint8 image", "scalar affine"],
          notes="padding of the first convolution is 0.0, which is no code of the image")


def channel_affine(m):
    n = QNet((3, 16, 16), seed=36)
    x = n.op("Sub", ["image", n.const(np.array([.4, .5, .45], np.float32).reshape(1, 3, 1, 1))])
    x = n.op("Div", [x, n.const(np.array([.2, .25, .22], np.float32).reshape(3, 1, 1))])
    x = n.qdq(x, "int8")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    write(m, "hand_channel_affine", n, n.small_head(x, 8), ["QDQ", "affine step by channel"])


def uint8_codes(m):
    n = QNet((3, 16, 16), seed=37, dtype=TensorProto.UINT8)
    s = np.float32(1 / 255)
    n.scale["image"] = (n.const(s), n.codes(np.uint8(0), "uint8", "image.zero"), s)
    x = n.dequantize("image")
    x = n.qdq(n.op("Relu", [n.qconv(x, 3, 8, 3, strides=[2, 2], pads=PADS)]))
    write(m, "hand_uint8_codes", n, n.small_head(x, 8), ["QDQ", "uint8 image", "image is codes"])


def four_bits(m):
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


def scale_forms(m):
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


def gemm_forms(m):
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


ALL = (bias_forms, constants, initializers_as_inputs, batches, uint8_affine, channel_affine,
       uint8_codes, four_bits, scale_forms, gemm_forms)
