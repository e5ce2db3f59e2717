"""Models that NNCF's post-training quantization makes of ONNX graphs."""

import importlib.metadata

import nncf
import onnx

import common
import floatnets

VERSIONS = {p: importlib.metadata.version(p) for p in ("nncf", "onnx", "onnxruntime")}


def main():
    m = common.Manifest("NNCF")
    n = floatnets
    mixed, performance = nncf.QuantizationPreset.MIXED, nncf.QuantizationPreset.PERFORMANCE
    for name, model, preset, features in (
            ("nncf_plain", n.plain(1), performance, ["Conv", "MaxPool", "AveragePool", "Gemm"]),
            ("nncf_residual", n.residual(), performance, ["residual Add", "GlobalAveragePool"]),
            ("nncf_residual_bn", n.residual(bn=True), performance,
             ["residual Add", "BatchNormalization"]),
            ("nncf_mobile", n.mobile(), mixed, ["depthwise", "grouped", "Clip to 6"]),
            ("nncf_concat", n.concat(), performance, ["Concat", "AveragePool"]),
            ("nncf_squeeze", n.squeeze(), mixed, ["squeeze and excite", "Mul"]),
            ("nncf_shapes", n.shapes(), performance,
             ["MatMul and Add", "Transpose", "Softmax", "Shape/Gather/Concat to Reshape"])):
        shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)[1:]
        rows = nncf.Dataset([{"image": i[None]} for i in common.images(shape, 16, seed=99)])
        done = nncf.quantize(model, rows, preset=preset, subset_size=16)
        onnx.save(done, str(common.MODELS / f"{name}.onnx"))
        # A sum with a scale for each channel; squeeze-and-excite in float between quantizers.
        refused = {"nncf_mobile": "QuantizeLinear_add1_1", "nncf_squeeze": "globalaveragepool1"}
        common.add_onnx(m, name, ["QDQ", "per-channel", preset.name.lower() + " preset",
                                  *features], VERSIONS, shape=shape, refuse_word=refused.get(name))
    m.save()


if __name__ == "__main__":
    main()
