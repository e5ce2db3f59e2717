"""Small float networks with random weights, built node by node with onnx.helper."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A graph that grows by method calls; each returns the name of the tensor it made."""

    def __init__(self, shape, seed=7, opset=17, batch="N", dtype=TensorProto.FLOAT, ir=None):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.inits = [], []
        self.shape, self.opset, self.batch, self.dtype, self.ir = shape, opset, batch, dtype, ir
        self.input = "image"
        self.count = {}

    def name(self, kind):
        self.count[kind] = self.count.get(kind, 0) + 1
        return f"{kind}{self.count[kind]}"

    def const(self, value, name=None, kind="const"):
        name = name or self.name(kind)
        self.inits.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind, inputs, out=None, domain="", **attributes):
        out = out or self.name(kind.lower())
        node = helper.make_node(kind, inputs, [out], name=out + "_node", domain=domain,
                                **attributes)
        self.nodes.append(node)
        return out

    def weights(self, shape, gain=1.4):
        fan = int(np.prod(shape[1:]))
        spread = self.rng.uniform(0.4, 1.6, (shape[0],) + (1,) * (len(shape) - 1))
        w = self.rng.normal(0, gain / np.sqrt(fan), shape) * spread
        return w.astype(np.float32)

    def conv(self, x, cin, cout, kernel, group=1, bias=True, **attributes):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        name = self.name("conv")
        w = self.const(self.weights((cout, cin // group, *kernel)), name + ".weight")
        inputs = [x, w]
        if bias:
            inputs.append(self.const(self.rng.normal(0, 0.1, cout).astype(np.float32),
                                     name + ".bias"))
        return self.op("Conv", inputs, name, group=group, kernel_shape=list(kernel), **attributes)

    def bn(self, x, channels):
        name = self.name("bn")
        r = self.rng
        return self.op("BatchNormalization", [
            x, self.const(r.uniform(0.5, 1.5, channels).astype(np.float32), name + ".scale"),
            self.const(r.normal(0, 0.2, channels).astype(np.float32), name + ".shift"),
            self.const(r.normal(0, 0.2, channels).astype(np.float32), name + ".mean"),
            self.const(r.uniform(0.3, 1.2, channels).astype(np.float32), name + ".var")],
            name, epsilon=1e-5)

    def gemm(self, x, cin, cout, out=None):
        name = out or self.name("fc")
        return self.op("Gemm", [x, self.const(self.weights((cout, cin)), name + ".weight"),
                                self.const(self.rng.normal(0, 0.1, cout).astype(np.float32),
                                           name + ".bias")], name, transB=1)

    def matmul(self, x, cin, cout, bias=True, out=None):
        w = self.const(np.ascontiguousarray(self.weights((cout, cin)).T))
        y = self.op("MatMul", [x, w], None if bias else out)
        if not bias:
            return y
        return self.op("Add", [y, self.const(
            self.rng.normal(0, 0.1, cout).astype(np.float32))], out)

    def clip6(self, x):
        return self.op("Clip", [x, self.const(np.float32(0)), self.const(np.float32(6))])

    def reduce_mean(self, x, axes, keepdims=0):
        if self.opset >= 18:
            return self.op("ReduceMean", [x, self.const(np.array(axes, np.int64))],
                           keepdims=keepdims)
        return self.op("ReduceMean", [x], axes=axes, keepdims=keepdims)

    def model(self, output, classes=10, out_shape=None, initializers_as_inputs=False, domains=()):
        shape = [self.batch, *self.shape]
        inputs = [helper.make_tensor_value_info(self.input, self.dtype, shape)]
        if initializers_as_inputs:
            inputs += [helper.make_tensor_value_info(i.name, i.data_type, list(i.dims))
                       for i in self.inits]
        graph = helper.make_graph(
            self.nodes, "net", inputs,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT,
                                           out_shape or [self.batch, classes])], self.inits)
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(d, v) for d, v in domains]
        model = helper.make_model(graph, opset_imports=imports, producer_name="flatenn-corpus")
        model.ir_version = self.ir or (10 if self.opset >= 21 else 8)
        onnx.checker.check_model(model)
        return model


def plain(batch="N", opset=17):
    n = Net((1, 28, 28), seed=11, batch=batch, opset=opset)
    x = n.op("Relu", [n.conv("image", 1, 6, 5, strides=[2, 2], pads=[2, 2, 2, 2])])
    x = n.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = n.op("Relu", [n.conv(x, 6, 12, 3, pads=[1, 1, 1, 1])])
    x = n.op("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = n.op("Flatten", [x])
    x = n.op("Relu", [n.gemm(x, 108, 16)])
    return n.model(n.gemm(x, 16, 10, "logits"))


def residual(batch="N", bn=False):
    """Adds of unequal scales, one with a convolution on the shortcut; the mean over the plane."""
    n = Net((3, 16, 16), seed=12, batch=batch)

    def block(x, cin, cout, stride):
        y = n.conv(x, cin, cout, 3, bias=not bn, strides=[stride, stride], pads=[1, 1, 1, 1])
        y = n.op("Relu", [n.bn(y, cout) if bn else y])
        y = n.conv(y, cout, cout, 3, bias=not bn, pads=[1, 1, 1, 1])
        y = n.bn(y, cout) if bn else y
        if stride != 1 or cin != cout:
            x = n.conv(x, cin, cout, 1, strides=[stride, stride])
        return n.op("Relu", [n.op("Add", [y, x])])

    x = n.op("Relu", [n.conv("image", 3, 8, 3, pads=[1, 1, 1, 1], strides=[2, 2])])
    x = block(block(x, 8, 8, 1), 8, 12, 2)
    x = n.op("Flatten", [n.op("GlobalAveragePool", [x])])
    return n.model(n.gemm(x, 12, 10, "logits"))


def concat():
    """Branches joined by Concat; average pools that count padding, and that do not."""
    n = Net((3, 16, 16), seed=13)
    x = n.op("Relu", [n.conv("image", 3, 6, 3, strides=[2, 2], pads=[1, 1, 1, 1])])
    a = n.op("Relu", [n.conv(x, 6, 4, 1)])
    b = n.op("Relu", [n.conv(x, 6, 4, 3, pads=[1, 1, 1, 1])])
    c = n.op("AveragePool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    d = n.op("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = n.op("Concat", [a, b, c, d], axis=1)
    x = n.op("AveragePool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
             count_include_pad=0)
    x = n.op("Relu", [n.conv(x, 20, 8, 3)])
    return n.model(n.gemm(n.op("Flatten", [x]), 32, 10, "logits"))


def mobile():
    """Depthwise, grouped and dilated convolutions, pads that differ by side, ReLU6."""
    n = Net((3, 16, 16), seed=14)
    x = n.clip6(n.conv("image", 3, 8, 3, strides=[2, 2], pads=[0, 0, 1, 1]))
    x = n.clip6(n.conv(x, 8, 8, 3, group=8, pads=[1, 1, 1, 1]))
    y = n.conv(n.clip6(n.conv(x, 8, 16, 1)), 16, 8, 1)
    x = n.op("Add", [x, y])
    x = n.clip6(n.conv(x, 8, 16, 3, group=8, pads=[1, 1, 1, 1]))  # two outputs a channel
    x = n.op("Relu", [n.conv(x, 16, 12, 3, group=4, dilations=[2, 2], pads=[2, 2, 2, 2])])
    x = n.op("Relu", [n.conv(x, 12, 12, (3, 2), strides=[2, 1], pads=[2, 1, 0, 0])])
    x = n.op("Flatten", [n.op("GlobalAveragePool", [x])])
    return n.model(n.gemm(x, 12, 10, "logits"))


def windows(opset=17):
    """SAME_UPPER, SAME_LOWER, VALID; windows that are not square; dilated and padded max pools."""
    n = Net((1, 28, 28), seed=15, opset=opset)
    x = n.op("Relu", [n.conv("image", 1, 5, (3, 5), strides=[2, 3], auto_pad="SAME_UPPER")])
    x = n.op("Relu", [n.conv(x, 5, 6, (4, 2), auto_pad="SAME_LOWER")])
    x = n.op("MaxPool", [x], kernel_shape=[3, 2], strides=[1, 2], pads=[1, 1, 1, 0],
             dilations=[2, 1])
    x = n.op("Relu", [n.conv(x, 6, 8, 3, auto_pad="VALID")])
    x = n.op("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = n.reduce_mean(x, [2])
    x = n.reduce_mean(x, [2])
    return n.model(n.gemm(x, 8, 10, "logits"))


def activations(opset=17, last=True):
    """`last`: an Elu, which ONNX Runtime's quantizer leaves in float."""
    n = Net((3, 16, 16), seed=16, opset=opset)
    x = n.op("LeakyRelu", [n.conv("image", 3, 8, 3, strides=[2, 2], pads=[1, 1, 1, 1])], alpha=0.1)
    x = n.op("HardSwish", [n.conv(x, 8, 8, 3, pads=[1, 1, 1, 1])])
    x = n.op("Sigmoid", [n.conv(x, 8, 8, 1)])
    x = n.op("Tanh", [n.conv(x, 8, 8, 3, strides=[2, 2], pads=[1, 1, 1, 1])])
    x = n.op("HardSigmoid", [n.conv(x, 8, 8, 1)], alpha=0.2, beta=0.5)
    if last:
        x = n.op("Elu", [n.conv(x, 8, 8, 1)], alpha=1.0)
    else:
        x = n.op("Relu", [n.conv(x, 8, 8, 1)])
    x = n.reduce_mean(x, [2, 3])
    return n.model(n.gemm(x, 8, 10, "logits"))


def squeeze():
    """Squeeze and excite: a product of the map with one factor a channel."""
    n = Net((3, 16, 16), seed=17)
    x = n.op("Relu", [n.conv("image", 3, 8, 3, strides=[2, 2], pads=[1, 1, 1, 1])])
    s = n.op("GlobalAveragePool", [x])
    s = n.op("Relu", [n.conv(s, 8, 4, 1)])
    s = n.op("HardSigmoid", [n.conv(s, 4, 8, 1)], alpha=1 / 6, beta=0.5)
    x = n.op("Mul", [x, s])
    x = n.op("Relu", [n.conv(x, 8, 8, 3, strides=[2, 2], pads=[1, 1, 1, 1])])
    s = n.op("GlobalAveragePool", [x])
    s = n.op("Sigmoid", [n.conv(s, 8, 8, 1)])
    x = n.op("Mul", [s, x])
    x = n.op("Flatten", [n.op("GlobalAveragePool", [x])])
    return n.model(n.gemm(x, 8, 10, "logits"))


def shapes():
    """Reshape to a shape that the graph computes, Transpose, MatMul and Add, Softmax."""
    n = Net((1, 28, 28), seed=18)
    x = n.op("Relu", [n.conv("image", 1, 6, 3, strides=[2, 2], pads=[1, 1, 1, 1])])
    x = n.op("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = n.op("Relu", [n.conv(x, 6, 4, 3)])
    x = n.op("Transpose", [x], perm=[0, 2, 3, 1])
    rows = n.op("Gather", [n.op("Shape", [x]), n.const(np.int64(0))], axis=0)
    rows = n.op("Unsqueeze", [rows, n.const(np.array([0], np.int64))])
    shape = n.op("Concat", [rows, n.const(np.array([-1], np.int64))], axis=0)
    x = n.op("Reshape", [x, shape])
    x = n.op("Relu", [n.matmul(x, 100, 16)])
    x = n.matmul(x, 16, 10)
    return n.model(n.op("Softmax", [x], "probabilities", axis=-1))
