"""Models that onnxruntime.quantization makes: quantize_static as QDQ and as QOperator."""

import tempfile
import pathlib

import onnx
import onnxruntime as ort
from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat,
                                      QuantType, quantize_dynamic, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

import common
import floatnets

VERSIONS = {"onnx": onnx.__version__, "onnxruntime": ort.__version__}
U8, S8 = QuantType.QUInt8, QuantType.QInt8
QDQ, QOP = QuantFormat.QDQ, QuantFormat.QOperator


class Reader(CalibrationDataReader):
    def __init__(self, shape):
        self.rows = iter([{"image": image[None]} for image in common.images(shape, 16, seed=99)])

    def get_next(self):
        return next(self.rows, None)


def shape_of(model):
    return tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)[1:]


def static(manifest, name, model, features, form, activation, weight, per_channel=False,
           prepare=True, refuse_word=None, notes="", **options):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "float.onnx"
        onnx.save(model, str(source))
        if prepare:
            ready = pathlib.Path(folder) / "ready.onnx"
            quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
            source = ready
        extra = options.pop("extra", {})
        quantize_static(str(source), str(common.MODELS / f"{name}.onnx"), Reader(shape_of(model)),
                        quant_format=form, activation_type=activation, weight_type=weight,
                        per_channel=per_channel, extra_options=extra, **options)
    kinds = {U8: "u8", S8: "s8", QuantType.QUInt16: "u16", QuantType.QUInt4: "u4",
             QuantType.QInt4: "s4"}
    common.add_onnx(manifest, name, [
        "QDQ" if form == QDQ else "QOperator", kinds[activation] + kinds[weight],
        "per-channel" if per_channel else "per-tensor", *features], VERSIONS,
        shape=shape_of(model), notes=notes, refuse_word=refuse_word)


def main():
    m = common.Manifest("onnxruntime.quantization")
    symmetric = {"ActivationSymmetric": True}
    n = floatnets
    lenet = ["Conv", "Relu", "MaxPool", "AveragePool", "Flatten", "Gemm"]
    static(m, "ort_qdq_plain_u8s8", n.plain(), [*lenet, "asymmetric activations"], QDQ, U8, S8)
    static(m, "ort_qdq_plain_u8s8_pc", n.plain(1), [*lenet, "batch 1"], QDQ, U8, S8, True)
    static(m, "ort_qdq_plain_u8u8", n.plain(), lenet, QDQ, U8, U8)
    static(m, "ort_qdq_plain_s8s8_sym", n.plain(), [*lenet, "symmetric activations"], QDQ, S8, S8,
           True, extra=symmetric)
    static(m, "ort_qdq_plain_float_bias", n.plain(), [*lenet, "float bias"], QDQ, U8, S8,
           extra={"QuantizeBias": False})
    static(m, "ort_qdq_plain_weights_in_graph", n.plain(), [*lenet, "QuantizeLinear of weights"],
           QDQ, U8, S8, extra={"AddQDQPairToWeight": True})
    static(m, "ort_qdq_plain_entropy", n.plain(), [*lenet, "entropy calibration"], QDQ, S8, S8,
           calibrate_method=CalibrationMethod.Entropy)
    static(m, "ort_qdq_plain_u8u4", n.plain(opset=21), [*lenet, "4-bit weights", "opset 21"], QDQ,
           U8, QuantType.QUInt4)
    static(m, "ort_qdq_plain_s8s4_pc", n.plain(opset=21), [*lenet, "4-bit weights", "opset 21"],
           QDQ, S8, QuantType.QInt4, True)
    static(m, "ort_qdq_plain_u16", n.plain(opset=21), [*lenet, "16-bit activations"], QDQ,
           QuantType.QUInt16, S8, refuse_word="uint16")
    static(m, "ort_qdq_plain_microsoft", n.plain(), [*lenet, "QuantizeLinear of com.microsoft"], QDQ,
           U8, S8, extra={"UseQDQContribOps": True})
    static(m, "ort_qdq_plain_dedicated", n.plain(),
           [*lenet, "one QuantizeLinear, two DequantizeLinear"], QDQ, U8, S8,
           extra={"DedicatedQDQPair": True})
    static(m, "ort_qop_plain_u8s8", n.plain(), [*lenet, "QGemm"], QOP, U8, S8)
    static(m, "ort_qop_plain_u8u8_pc", n.plain(), [*lenet, "QGemm"], QOP, U8, U8, True)
    static(m, "ort_qop_plain_s8s8_pc", n.plain(), [*lenet, "QGemm", "symmetric activations"], QOP,
           S8, S8, True, extra=symmetric)

    add = ["residual Add", "GlobalAveragePool"]
    static(m, "ort_qdq_residual_u8s8_pc", n.residual(), add, QDQ, U8, S8, True)
    static(m, "ort_qdq_residual_s8s8", n.residual(1), [*add, "batch 1"], QDQ, S8, S8)
    static(m, "ort_qdq_residual_bn", n.residual(bn=True), [*add, "BatchNormalization"], QDQ, U8,
           S8, prepare=False, notes="BatchNormalization was not folded before quantization")
    static(m, "ort_qop_residual_u8s8_pc", n.residual(),
           [*add, "QLinearAdd", "QLinearGlobalAveragePool"], QOP, U8, S8, True)
    static(m, "ort_qop_residual_s8s8", n.residual(),
           [*add, "QLinearAdd", "QLinearGlobalAveragePool"], QOP, S8, S8)

    cat = ["Concat", "AveragePool counts padding", "AveragePool leaves padding out"]
    static(m, "ort_qdq_concat_u8s8", n.concat(), cat, QDQ, U8, S8)
    static(m, "ort_qop_concat_u8u8", n.concat(), [*cat, "QLinearConcat", "QLinearAveragePool"],
           QOP, U8, U8)
    deep = ["depthwise", "grouped", "dilated", "asymmetric pads", "Clip to 6", "residual Add"]
    static(m, "ort_qdq_mobile_u8s8_pc", n.mobile(), deep, QDQ, U8, S8, True)
    static(m, "ort_qdq_mobile_s8s8_sym", n.mobile(), [*deep, "symmetric activations"], QDQ, S8, S8,
           extra=symmetric, notes="symmetric activations keep Clip and Relu in the graph")
    static(m, "ort_qop_mobile_u8s8_pc", n.mobile(), deep, QOP, U8, S8, True)
    same = ["auto_pad SAME_UPPER", "auto_pad SAME_LOWER", "auto_pad VALID", "kernel not square",
            "stride not square", "MaxPool padded and dilated", "MaxPool ceil_mode",
            "ReduceMean one axis"]
    static(m, "ort_qdq_windows_u8s8", n.windows(), same, QDQ, U8, S8)
    static(m, "ort_qdq_windows_opset20", n.windows(20), [*same, "axes as an input"], QDQ, S8, S8)
    static(m, "ort_qop_windows_u8s8", n.windows(), same, QOP, U8, S8)
    acts = ["LeakyRelu", "HardSwish", "Sigmoid", "Tanh", "HardSigmoid", "Elu",
            "ReduceMean two axes"]
    linear = ["QLinearLeakyRelu", "QLinearSigmoid"]
    static(m, "ort_qdq_activations_u8s8", n.activations(), acts, QDQ, U8, S8, refuse_word="elu1")
    static(m, "ort_qop_activations_u8s8", n.activations(), [*acts, *linear], QOP, U8, S8,
           refuse_word="elu1")
    acts.remove("Elu")
    static(m, "ort_qdq_tables_u8s8", n.activations(last=False), acts, QDQ, U8, S8)
    static(m, "ort_qop_tables_u8s8", n.activations(last=False), [*acts, *linear], QOP, U8, S8)
    static(m, "ort_qdq_squeeze_u8s8_pc", n.squeeze(), ["squeeze and excite", "Mul"], QDQ, U8, S8,
           True)
    static(m, "ort_qop_squeeze_s8s8", n.squeeze(), ["squeeze and excite", "Mul", "QLinearMul"],
           QOP, S8, S8)
    form = ["Shape/Gather/Concat to Reshape", "Transpose", "MatMul and Add", "Softmax"]
    static(m, "ort_qdq_shapes_u8s8", n.shapes(), form, QDQ, U8, S8, prepare=False)
    static(m, "ort_qop_shapes_u8u8", n.shapes(), [*form, "QLinearMatMul"], QOP, U8, U8,
           prepare=False)

    for name, model in (("ort_dynamic_plain", n.plain()), ("ort_dynamic_shapes", n.shapes())):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "float.onnx"
            onnx.save(model, str(source))
            quantize_dynamic(str(source), str(common.MODELS / f"{name}.onnx"), weight_type=U8)
        common.add_onnx(m, name, ["DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"],
                        VERSIONS, refuse_word="DynamicQuantizeLinear")
    onnx.save(n.residual(bn=True), str(common.MODELS / "float_residual_bn.onnx"))
    common.add_onnx(m, "float_residual_bn", ["float", "BatchNormalization", "residual Add"],
                    VERSIONS, shape=(3, 16, 16), calibration=True,
                    notes="a float model: to be quantized by calibration; the output is float")
    m.save()


if __name__ == "__main__":
    main()
