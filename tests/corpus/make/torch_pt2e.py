"""Models that torch.onnx.export writes: quantized by pt2e of torchao, and float ones."""

import importlib.metadata
import warnings

warnings.filterwarnings("ignore")

import onnx
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e
from torchao.quantization.pt2e import move_exported_model_to_eval
import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer as x86

import common

VERSIONS = {p: importlib.metadata.version(p)
            for p in ("torch", "torchao", "onnx", "onnxruntime", "onnxscript")}


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.c2 = nn.Conv2d(8, 8, (3, 1), padding=(1, 0), groups=2)
        self.c3 = nn.Conv2d(8, 12, 3, dilation=2)
        self.fc1, self.fc2 = nn.Linear(48, 16), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.b1(self.c1(x)))
        x = torch.relu(self.c2(x))
        x = torch.max_pool2d(torch.relu(self.c3(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.view(x.size(0), -1))))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.c2, self.b2 = nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.dw = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = nn.functional.relu6(self.b1(self.c1(x)))
        x = torch.relu(x + self.b2(self.c2(x)))
        y = nn.functional.hardswish(self.dw(x))
        y = y * torch.sigmoid(y.mean((2, 3), keepdim=True))
        x = torch.cat([nn.functional.avg_pool2d(x, 3, 1, 1), y], 1)
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def settled(model):
    torch.manual_seed(4)
    for p in model.parameters():
        if p.ndim > 1:
            p.data = torch.randn(p.shape) * 1.4 / p[0].numel()**0.5
    for b in model.modules():
        if isinstance(b, nn.BatchNorm2d):
            b.running_mean.normal_(0, 0.2)
            b.running_var.uniform_(0.3, 1.2)
            b.weight.data.uniform_(0.5, 1.5)
    return model.eval()


def save(model, path, image, **options):
    program = torch.onnx.export(model, (image,), dynamo=True, input_names=["image"],
                                output_names=["logits"], verbose=False, **options)
    program.save(str(path)) if program else None
    proto = onnx.load(str(path))
    for node in proto.graph.node:  # stack traces hold paths of the machine
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output,
                  *proto.graph.initializer]:
        del value.metadata_props[:]
    for function in proto.functions:
        for node in function.node:
            del node.metadata_props[:]
    del proto.graph.metadata_props[:], proto.metadata_props[:]
    onnx.save(proto, str(path))


def main():
    m = common.Manifest("PyTorch")
    rows = torch.from_numpy(common.images((3, 16, 16), 16, seed=99))
    image = rows[:1]
    failed = []
    parts = {"Plain": ["grouped", "dilated", "kernel not square", "BatchNormalization folded"],
             "Residual": ["residual Add", "Concat", "Clip to 6", "HardSwish", "Mul", "depthwise",
                          "AveragePool"]}
    for kind in (Plain, Residual):
        name = "torch_pt2e_" + kind.__name__.lower()
        try:
            exported = torch.export.export(settled(kind()), (image,)).module()
            quantizer = x86.X86InductorQuantizer().set_global(
                x86.get_default_x86_inductor_quantization_config())
            ready = prepare_pt2e(exported, quantizer)
            for row in rows:
                ready(row[None])
            done = convert_pt2e(ready)
            save(done, common.MODELS / f"{name}.onnx", image)
            # HardSwish of a convolution's sums, not of codes.
            word = "HardSwish" if kind is Residual else None
            common.add_onnx(m, name, ["QDQ", "pt2e", "batch 1", *parts[kind.__name__]], VERSIONS,
                            shape=(3, 16, 16), refuse_word=word)
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {str(error)[-1500:]}")
        name = "torch_float_" + kind.__name__.lower()
        try:
            batch = torch.export.Dim("batch")
            save(settled(kind()), common.MODELS / f"{name}.onnx", rows[:2],
                 dynamic_shapes=({0: batch},))
            common.add_onnx(m, name, ["float", "dynamic batch", *parts[kind.__name__]], VERSIONS,
                            shape=(3, 16, 16), calibration=True,
                            notes="a float model: to be quantized by calibration")
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {str(error)[-1500:]}")
    m.save()
    print("\n".join(failed))


if __name__ == "__main__":
    main()
