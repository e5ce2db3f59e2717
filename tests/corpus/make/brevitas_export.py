"""Models that Brevitas exports: QCDQ (QuantizeLinear, Clip, DequantizeLinear) and QONNX."""

import importlib.metadata
import warnings

warnings.filterwarnings("ignore")

import brevitas.nn as qnn
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import (Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Int32Bias,
                            ShiftedUint8ActPerTensorFloat, ShiftedUint8WeightPerTensorFloat,
                            SignedBinaryWeightPerTensorConst, SignedBinaryActPerTensorConst)
from torch import nn

import common

VERSIONS = {p: importlib.metadata.version(p)
            for p in ("brevitas", "torch", "onnx", "onnxruntime", "qonnx")}


class Plain(nn.Module):
    def __init__(self, weights, activations, per_channel=False, bias=None, classes=10):
        super().__init__()
        w = {"weight_bit_width": weights, "weight_scaling_per_output_channel": per_channel,
             "bias_quant": bias}
        self.image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.c1 = qnn.QuantConv2d(3, 8, 3, stride=2, padding=1, **w)
        self.bn = nn.BatchNorm2d(8)
        self.r1 = qnn.QuantReLU(bit_width=activations, return_quant_tensor=True)
        self.c2 = qnn.QuantConv2d(8, 8, 3, groups=2, **w)
        self.r2 = qnn.QuantReLU(bit_width=activations, return_quant_tensor=True)
        self.pool = nn.MaxPool2d(2)
        self.fc = qnn.QuantLinear(72, classes, **w)

    def forward(self, x):
        x = self.r1(self.bn(self.c1(self.image(x))))
        x = self.pool(self.r2(self.c2(x)))
        return self.fc(x.flatten(1))


class Residual(nn.Module):
    def __init__(self, bits):
        super().__init__()
        w = {"weight_bit_width": bits, "bias": False}
        self.image = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.c1 = qnn.QuantConv2d(3, 8, 3, stride=2, padding=1, **w)
        self.r1 = qnn.QuantReLU(bit_width=bits, return_quant_tensor=True)
        self.c2 = qnn.QuantConv2d(8, 8, 3, padding=1, **w)
        self.join = qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)
        self.r2 = qnn.QuantReLU(bit_width=bits, return_quant_tensor=True)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.q = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.fc = qnn.QuantLinear(8, 10, bias=True, weight_bit_width=8)

    def forward(self, x):
        x = self.join(self.r1(self.c1(self.image(x))))
        y = self.join(self.c2(x))
        x = self.r2(x + y)
        x = x.value if hasattr(x, "value") else x
        return self.fc(self.q(self.mean(x)).flatten(1))


class Asymmetric(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat,
                                       return_quant_tensor=True)
        self.c1 = qnn.QuantConv2d(3, 8, 3, stride=2, weight_quant=ShiftedUint8WeightPerTensorFloat)
        self.q1 = qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=6,
                                    return_quant_tensor=True)
        self.fc = qnn.QuantLinear(392, 10, weight_quant=Int8WeightPerTensorFloat)

    def forward(self, x):
        return self.fc(self.q1(self.c1(self.image(x))).flatten(1))


class Binary(nn.Module):
    def __init__(self):
        super().__init__()
        w = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
        a = {"act_quant": SignedBinaryActPerTensorConst, "return_quant_tensor": False}
        self.image = qnn.QuantIdentity(bit_width=8)
        self.c1 = qnn.QuantConv2d(3, 8, 3, stride=2, **w)
        self.b1, self.a1 = nn.BatchNorm2d(8), qnn.QuantIdentity(**a)
        self.c2 = qnn.QuantConv2d(8, 8, 3, **w)
        self.b2, self.a2 = nn.BatchNorm2d(8), qnn.QuantIdentity(**a)
        self.fc = qnn.QuantLinear(200, 10, **w)

    def forward(self, x):
        x = self.a1(self.b1(self.c1(self.image(x))))
        return self.fc(self.a2(self.b2(self.c2(x))).flatten(1))


def settled(model):
    """Weights of a fixed seed, and statistics and scales of activations from some images."""
    generator = torch.Generator().manual_seed(3)
    for p in model.parameters():
        if p.ndim > 1:
            fan = p[0].numel()
            p.data = torch.randn(p.shape, generator=generator) * 1.4 / fan**0.5
    model.train()
    images = torch.from_numpy(common.images((3, 16, 16), 16, seed=99))
    with torch.no_grad():
        for _ in range(40):
            model(images)
    return model.eval()


def main():
    m = common.Manifest("Brevitas")
    image = torch.from_numpy(common.images((3, 16, 16), 1))
    failed = []
    jobs = (
        ("w8a8", lambda: Plain(8, 8), ["8 bits", "BatchNormalization", "grouped"]),
        ("w4a4_pc", lambda: Plain(4, 4, True), ["4 bits", "per-channel", "grouped"]),
        ("w3a2_bias", lambda: Plain(3, 2, False, Int32Bias), ["3-bit weights", "2-bit activations",
                                                              "int32 bias"]),
        ("residual_w4a4", lambda: Residual(4), ["4 bits", "residual Add", "GlobalAveragePool"]),
        ("asymmetric", Asymmetric, ["asymmetric weights", "6-bit asymmetric activations"]),
        ("binary", Binary, ["one-bit weights", "one-bit activations"]))
    for name, build, features in jobs:
        for form, export in (("qcdq", export_onnx_qcdq), ("qonnx", export_qonnx)):
            if name == "binary" and form == "qcdq":
                continue  # QCDQ has no form for one bit
            full = f"brevitas_{form}_{name}"
            path = common.MODELS / f"{full}.onnx"
            torch.manual_seed(0)
            try:
                model = settled(build())
                for attempt in ({"dynamo": False}, {}):
                    try:
                        export(model, args=image, export_path=str(path), opset_version=13,
                               **attempt)
                        break
                    except TypeError as error:
                        print(full, attempt, error)
                form_name = "QuantizeLinear, Clip, DequantizeLinear" if form == "qcdq" else "Quant"
                if form == "qcdq":
                    common.add_onnx(m, full, [form_name, *features], VERSIONS, shape=(3, 16, 16))
                else:
                    qonnx_expected(m, full, [form_name, *features])
            except Exception as error:
                path.unlink(missing_ok=True)
                failed.append(f"{full}: {type(error).__name__}: {str(error)[:300]}")
    m.save()
    print("\n".join(failed))


def qonnx_expected(m, name, features):
    import numpy as np
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model
    raw = ModelWrapper(str(common.MODELS / f"{name}.onnx"))
    runs = cleanup_model(raw)
    inputs = common.images((3, 16, 16))
    source, target = runs.graph.input[0].name, runs.graph.output[0].name
    # The clean-up renames.
    shown = dict(zip(common.quantized(raw.graph), common.quantized(runs.graph), strict=True))
    rows = [execute_onnx(runs, {source: i[None]}, return_full_exec_context=True) for i in inputs]
    tensors = {k: np.concatenate([r[c] for r in rows]).astype(np.float32)
               for k, c in shown.items() if c != target}
    tensors[raw.graph.output[0].name] = np.concatenate([r[target] for r in rows])
    common.save_expected(name, m.tool, VERSIONS, raw.graph.input[0].name, inputs, tensors,
                         raw.graph.output[0].name,
                         "tensors are what Quant puts out: floats, codes times the scale")
    m.add(name, f"{name}.onnx", features)


if __name__ == "__main__":
    main()
