"""Torch modules that the tests share, and what the scripts beside the C++ tests computed."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import flatenn  # noqa: E402
import flatenn.torch as ft  # noqa: E402

torch.set_num_threads(1)


def golden(path: str) -> list[Any]:
    """A golden/*.inc file as nested Python tuples."""
    return rows_of((ROOT / path).read_text())


def rows_of(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return [eval(line.rstrip(",").replace("{", "(").replace("}", ")")) for line in lines]  # noqa: S307


def batch_norm_model() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(
        ft.QuantInput(0.03),
        ft.QuantConv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), ft.QuantReLU(4),
        ft.QuantConv2d(4, 8, 3, stride=2, bias=False, per_channel=True), nn.BatchNorm2d(8),
        ft.QuantReLU(4), nn.AdaptiveAvgPool2d(1), ft.QuantReLU(8), nn.Flatten(),
        ft.QuantLinear(8, 10, bits=8),
    )  # fmt: skip


def a_batch(count: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(count, 1, 12, 12, generator=generator)
    return x, torch.randint(0, 10, (count,), generator=generator)


def closure_of(model: nn.Module, x: Tensor, y: Tensor) -> Any:
    def closure() -> Tensor:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return closure


def trained() -> nn.Sequential:
    model = batch_norm_model()
    optimizer = ft.SAQ(torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9), model)
    for _ in range(20):
        optimizer.step(closure_of(model, *a_batch(64)))
    return model


class FloatNet(nn.Module):
    """Residual, depthwise, batch norm: what torchvision-style models are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.conv2 = nn.Conv2d(8, 8, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.depthwise(x))
        x = F.relu(self.bn2(self.conv2(y)) + x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


@functools.cache
def float_case() -> tuple[nn.Module, Tensor, flatenn.Network]:
    """A float module that has seen its images, the images, and the network made of it."""
    pytest.importorskip("onnxruntime")
    torch.manual_seed(4)
    module = FloatNet()
    x = torch.randn(256, 3, 16, 16)
    with torch.no_grad():
        for _ in range(20):
            module(x)  # running statistics
        module.fc.weight.mul_(5)
    module.eval()
    net = flatenn.from_torch(module, x, calibration=torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, torch.zeros(256, dtype=torch.long)), 64))  # fmt: skip
    return module, x, net
