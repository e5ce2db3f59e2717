"""Maps in modules whose layers share parts."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
from torch import Tensor, nn  # noqa: E402

import flatenn  # noqa: E402


class Shared(nn.Module):
    def __init__(self, part: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.part = part
        self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.last = nn.BatchNorm2d(4), nn.Linear(64, 5)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        if part == "bias":
            self.b.bias = self.a.bias

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        x = self.b((self.norm(x) if self.part == "norm" else x).relu())
        x = self.b(x.relu()) if self.part == "layer" else x
        return self.last((self.norm(x) if self.part == "norm" else x).relu().flatten(1))


@pytest.mark.parametrize("part", ["bias", "norm"])
def test_shared_biases_and_norms(part: str) -> None:
    module, x = Shared(part).eval(), torch.rand(64, 2, 4, 4)
    net = flatenn.from_torch(module, x, calibration=x)
    faults = flatenn.FaultMap.draw(net, rate=0.01, seed=1)
    wanted = net.with_faults(faults).run(x)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with flatenn.apply_to_torch(module, faults), torch.no_grad():
        got = module(x).numpy()
    spread = np.ptp(wanted)
    assert np.abs(got - wanted).max() < 0.02 * spread
    assert np.abs(net.run(x) - wanted).max() > 0.02 * spread  # or the faults would not show
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_layer_that_runs_twice_is_named() -> None:
    module, x = Shared("layer").eval(), torch.rand(64, 2, 4, 4)
    with pytest.raises(ValueError, match="b runs more than once"):
        net = flatenn.from_torch(module, x, calibration=x)
        flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=0.01, seed=1))
