"""Networks of float modules keep the sums that a quantizer would round for nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
from torch import Tensor, nn  # noqa: E402

import flatenn  # noqa: E402


class Residual(nn.Module):
    """A block with a convolution on both sides of its sum, one with none, and logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(2, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 8, 1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = (self.second(x) + self.down(x)).relu()
        x = (self.third(x) + x).relu()
        return self.last(x.flatten(1))


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_residuals_and_logits_stay_whole(low: float) -> None:
    module = Residual().eval()
    x = torch.rand(64, 2, 6, 6, generator=torch.Generator().manual_seed(1)) * (1 - low) + low
    net = flatenn.from_torch(module, x, calibration=x)
    rows: list[dict[str, Any]] = list(net.activations)
    assert {row["kind"] for row in net.layers} == {"conv", "linear"}  # no layers of sums
    assert rows[-1]["float"] and all(row["zero_point"] == 0 for row in rows)
    assert rows[0]["signed"] == (low < 0)
    with torch.no_grad():
        wanted = module(x).numpy()
    assert np.abs(net.run(x) - wanted).max() < 0.02 * np.ptp(wanted)


class TwoReaders(nn.Module):
    """A rounded sum that a second layer reads stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.last = nn.Linear(4 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last((self.second(y) + y).relu().flatten(1))


def test_sums_that_others_read_are_codes() -> None:
    module = TwoReaders().eval()
    x = torch.rand(64, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    net = flatenn.from_torch(module, x, calibration=x)
    assert net.comparison["same_top1"] > 0.9 and net.comparison["largest_difference"] < 0.02
