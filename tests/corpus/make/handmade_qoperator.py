"""A network in QOperator form."""

import numpy as np

from qdq_net import PADS, QNet, write


def standard(m):
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


ALL = (standard,)
