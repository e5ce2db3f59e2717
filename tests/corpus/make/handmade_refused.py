"""What a reader has to refuse by name, and files whose data lie beside them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import common
from qdq_net import PADS, VERSIONS, QNet, start, write


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


def conv_integer(m):
    n = QNet((3, 16, 16), seed=71)
    q = n.quantize("image")
    w = n.codes(np.round(n.weights((8, 3, 3, 3)) * 40), "int8", "w")
    y = n.op("ConvInteger", [q, w, n.scale[q][1]], strides=[2, 2], pads=PADS)
    y = n.op("Mul", [n.op("Cast", [y], to=TensorProto.FLOAT), n.const(np.float32(n.scale[q][2] / 40))])
    x = n.qdq(n.op("Relu", [y]))
    write(m, "hand_conv_integer", n, n.small_head(x, 8), ["ConvInteger"],
          refuse_word="ConvInteger")


def activation_per_channel(m):
    n, x = start(seed=72)
    s = n.const(np.linspace(.01, .02, 8).astype(np.float32))
    z = n.codes(np.zeros(8), "uint8", "z")
    q = n.op("QuantizeLinear", [x, s, z], axis=1)
    y = n.op("DequantizeLinear", [q, s, z], axis=1)
    write(m, "hand_activation_per_channel", n, n.small_head(y, 8),
          ["QDQ", "activations by channel"], refuse_word="for each channel")


def blocked(m):
    n, x = start(seed=73, opset=21)
    x = n.op("Flatten", [n.qdq(n.op("GlobalAveragePool", [x]))])
    w = n.codes(n.rng.integers(-7, 8, (10, 8)), "int4", "w")
    w = n.op("DequantizeLinear", [w, n.const(n.rng.uniform(.01, .1, (10, 2)).astype(np.float32))],
             axis=1, block_size=4)
    write(m, "hand_blocked", n, n.op("Gemm", [x, w], transB=1), ["QDQ", "block_size"],
          refuse_word="block_size")


def float8(m):
    n, x = start(seed=74, opset=19)
    f8 = helper.make_tensor("z8", TensorProto.FLOAT8E4M3FN, [], [0.0])
    n.inits.append(f8)
    s = n.const(np.float32(.01))
    x = n.op("DequantizeLinear", [n.op("QuantizeLinear", [x, s, "z8"]), s, "z8"])
    write(m, "hand_float8", n, n.small_head(x, 8), ["QDQ", "float8"], refuse_word="float8")


def conv_transpose(m):
    n, x = start(seed=75)
    w = n.const(n.weights((8, 4, 2, 2)))
    x = n.qdq(n.op("ConvTranspose", [x, w], strides=[2, 2]))
    write(m, "hand_conv_transpose", n, n.small_head(x, 4), ["QDQ", "ConvTranspose"],
          refuse_word="ConvTranspose")


def scale_computed(m):
    n, x = start(seed=76)
    top = n.op("ReduceMax", [x], keepdims=0)
    s = n.op("Div", [top, n.const(np.float32(255))])
    z = n.codes(np.uint8(0), "uint8", "z")
    x = n.op("DequantizeLinear", [n.op("QuantizeLinear", [x, s, z]), s, z])
    write(m, "hand_scale_computed", n, n.small_head(x, 8), ["QDQ", "scale from the image"],
          refuse_word="scale")


def weights_computed(m):
    n, x = start(seed=77)
    w = n.op("Concat", [x] * 2, axis=1)
    w = n.op("ReduceMean", [w], axes=[0], keepdims=1)
    x = n.op("Conv", [w, w])
    write(m, "hand_weights_computed", n, n.small_head(n.qdq(x), 1), ["QDQ", "weights from the image"],
          refuse_word="weight")


def custom_domain(m):
    n, x = start(seed=78)
    out = n.small_head(x, 8)
    n.nodes[-1].op_type, n.nodes[-1].domain = "FancyGemm", "com.example"
    write(m, "hand_custom_domain", n, out, ["operator of an unknown domain"],
          refuse_word="FancyGemm", domains=(("com.example", 1),))


def edited(m):
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


ALL = (external, conv_integer, activation_per_channel, blocked, float8, conv_transpose,
       scale_computed, weights_computed, custom_domain, edited)
