"""What the notebooks share: MNIST digits, a small network, and a plain training loop."""

from __future__ import annotations

from collections.abc import Callable

import flatenn
import flatenn.torch as ft
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = 0.1307, 0.3081


def digits(split: str = "test", first: int = 0) -> tuple[Tensor, Tensor]:
    """Normalized images [N, 1, 28, 28] and labels. `flatenn data get mnist` fetches them."""
    images = flatenn.load_images("mnist", split, first=first)
    pixels = torch.from_numpy(images.images.copy()).float() / 255
    return (pixels - MEAN) / STD, torch.from_numpy(images.labels.astype("int64"))


def quantized_lenet(bits: int = 4) -> nn.Sequential:
    """LeNet-5 with weights and activations of `bits` bits, the first and last layer of 8."""
    return nn.Sequential(
        ft.QuantInput(scale=(1 - MEAN) / STD / 127),
        ft.QuantConv2d(1, 6, 5, padding=2, bits=8), nn.MaxPool2d(2), ft.QuantReLU(bits),
        ft.QuantConv2d(6, 16, 5, bits=bits), nn.MaxPool2d(2), ft.QuantReLU(bits),
        nn.Flatten(),
        ft.QuantLinear(400, 120, bits=bits), ft.QuantReLU(bits),
        ft.QuantLinear(120, 84, bits=bits), ft.QuantReLU(bits),
        ft.QuantLinear(84, 10, bits=8),
    )  # fmt: skip


def train(
    model: nn.Module,
    step: Callable[[Callable[[], Tensor]], Tensor],
    x: Tensor,
    y: Tensor,
    epochs: int = 1,
    batch: int = 64,
) -> list[float]:
    """Runs `step(closure)` for each batch and returns the mean loss of each epoch."""
    losses = []
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch))
        total = 0.0
        for some in order.split(batch):

            def closure(some: Tensor = some) -> Tensor:
                loss = F.cross_entropy(model(x[some]), y[some])
                loss.backward()
                return loss

            total += float(step(closure)) * len(some)
        losses.append(total / len(x))
    return losses


def descend(optimizer: torch.optim.Optimizer) -> Callable[[Callable[[], Tensor]], Tensor]:
    """A step of an ordinary optimizer."""

    def step(closure: Callable[[], Tensor]) -> Tensor:
        optimizer.zero_grad()
        loss = closure()
        optimizer.step()
        return loss

    return step
