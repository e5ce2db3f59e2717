"""Faults in torch modules are those of the frozen network: in training, and in parameters."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from torch_models import FloatNet, a_batch, closure_of, trained

import torch  # after torch_models, which skips where there is none
import torch.nn.functional as F
from torch import Tensor, nn

import flatenn
import flatenn.torch as ft


def test_random_bit_errors_are_those_of_the_frozen_network() -> None:
    model = trained()
    x, y = a_batch(100)
    net = flatenn.from_torch(model, x)
    drawn = flatenn.FaultMap.draw(net, rate=0.02, seed=5, trial=9)
    faulty = net.with_faults(drawn)
    with ft.random_bit_errors(model, 0.02, seed=5, trial=9):
        for layer, row in zip([1, 4, 10], [r for r in net.layers if r["weights"]], strict=True):
            quantizer = model[layer].weight_quantizer
            codes = torch.from_numpy(faulty.weights(row["name"]).copy())
            expected = quantizer.values(codes.reshape(model[layer].weight.shape),
                                        model[layer].weight)  # fmt: skip
            assert torch.equal(model[layer].effective_weight(), expected)
        F.cross_entropy(model(x), y).backward()
        assert model[1].weight.grad.abs().sum() > 0
    assert model[1].faulty_codes is None


def test_randbet_mixes_clean_and_faulty_gradients() -> None:
    x, y = a_batch(32)

    def gradients(model: nn.Module) -> list[Tensor]:
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        return [p.grad.clone() for p in model.parameters()]

    model, probe = trained(), trained()
    clean = gradients(probe)
    with ft.random_bit_errors(probe, 0.05, seed=1, trial=0):
        noisy = gradients(probe)
    randbet = ft.RandBET(
        torch.optim.SGD(model.parameters(), lr=0.0), model, lambda step: 0.05, mix=0.3, seed=1
    )
    randbet.step(closure_of(model, x, y))
    for parameter, a, b in zip(model.parameters(), clean, noisy):
        assert torch.allclose(parameter.grad, 0.7 * a + 0.3 * b, atol=1e-6)
    assert randbet.steps == 1


def test_faults_reach_the_parameters_of_quantized_modules() -> None:
    model = trained()
    x, _ = a_batch(200)
    net = flatenn.from_torch(model, x)
    drawn = flatenn.FaultMap.draw(net, rate=0.05, seed=1)
    model.eval()
    with torch.no_grad():
        golden_logits = model(x)
        with flatenn.apply_to_torch(model, drawn) as applied:
            faulty = model(x)
            assert sum(applied.changed.values()) > 0
        assert torch.equal(model(x), golden_logits)
    expected = net.with_faults(drawn).run(x)
    assert not torch.equal(faulty, golden_logits)
    assert (faulty.argmax(1).numpy() == expected.argmax(1)).mean() > 0.95
    assert np.abs(faulty.numpy() - expected).max() < 0.1 * np.ptp(expected)


def test_faults_reach_the_parameters_of_float_modules(float_case: Any) -> None:
    """Batch norm is inside the network's scales and outside the module's weights."""
    module, x, net = float_case
    before = {name: p.clone() for name, p in module.state_dict().items()}
    drawn = flatenn.FaultMap.draw(net, rate=0.01, seed=2)
    with torch.no_grad(), flatenn.apply_to_torch(module, drawn):
        faulty = module(x).numpy()
    expected = net.with_faults(drawn).run(x)
    golden_logits = net.run(x)
    error = np.abs(faulty - expected).mean()
    effect = np.abs(expected - golden_logits).mean()
    assert effect > 0 and error < 0.2 * effect
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    biases = flatenn.FaultMap.draw(net, count=3, model=flatenn.FaultModel(
        sources=[{"target": "biases"}]))  # fmt: skip
    with torch.no_grad(), flatenn.apply_to_torch(module, biases) as applied:
        assert all(name.endswith(".bias") for name in applied.changed)


def test_other_modules_are_refused(float_case: Any) -> None:
    module, x, net = float_case
    drawn = flatenn.FaultMap.draw(net, rate=0.01)
    torch.manual_seed(9)
    stranger = FloatNet().eval()
    with pytest.raises(ValueError, match="module: conv1.weight is not what layer"):
        flatenn.apply_to_torch(stranger, drawn)
    with pytest.raises(ValueError, match="module: runs 1 "):
        flatenn.apply_to_torch(nn.Sequential(nn.Flatten(), nn.Linear(768, 5)), drawn)
    with pytest.raises(TypeError, match="module"):
        flatenn.apply_to_torch("module", drawn)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="names"):
        flatenn.apply_to_torch(module, drawn, names={"nothing": "fc"})
    with pytest.raises(ValueError, match="example"):
        flatenn.from_torch(module, x[0], calibration=x)
    with pytest.raises(ValueError, match="module"):
        flatenn.apply_to_torch(nn.Conv2d(1, 1, 3), drawn)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_modules_on_a_gpu_are_exported_and_changed_there(float_case: Any) -> None:
    module, x, net = float_case
    there = copy.deepcopy(module).cuda()
    assert flatenn.from_torch(there, x, calibration=x).comparison["same_top1"] > 0.9
    assert next(there.parameters()).is_cuda
    with pytest.raises(ValueError, match=r"images.*cuda.*images\.cpu\(\)"):
        net.run(x.cuda())
    drawn = flatenn.FaultMap.draw(net, rate=0.01, seed=2)
    with torch.no_grad(), flatenn.apply_to_torch(there, drawn), flatenn.apply_to_torch(module, drawn):
        for name, value in module.state_dict().items():
            assert torch.equal(there.state_dict()[name].cpu(), value), name


def test_nothing_stays_changed_where_a_fault_has_no_place(
    float_case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flatenn._to_torch import _Place

    module, _, net = float_case
    before = {name: value.clone() for name, value in module.state_dict().items()}
    put = _Place._put_biases

    def no_place(self: _Place, *arguments: Any) -> None:
        if self.path == "fc":
            raise ValueError("module: fc has no bias")
        put(self, *arguments)

    monkeypatch.setattr(_Place, "_put_biases", no_place)
    with pytest.raises(ValueError, match="fc has no bias"):
        flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=0.05))
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_every_part_keeps_its_mode(float_case: Any) -> None:
    module, _, net = float_case
    drawn = flatenn.FaultMap.draw(net, rate=0.01)
    parts = list(module.modules())
    before = [part.training for part in parts]
    try:
        for number, part in enumerate(parts):
            part.training = number % 2 == 0
        wanted = [part.training for part in parts]
        with flatenn.apply_to_torch(module, drawn):
            assert [part.training for part in parts] == wanted
        assert [part.training for part in parts] == wanted
    finally:
        for part, training in zip(parts, before):
            part.training = training


@pytest.mark.parametrize("rate", [0.0005, 0.05])
def test_faults_do_not_pile_up(float_case: Any, rate: float) -> None:
    module, _, net = float_case
    before = {name: p.clone() for name, p in module.state_dict().items()}
    first = flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=rate, seed=1))
    with pytest.raises(ValueError, match="^module: "):
        flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=rate, seed=2))
    first.remove()
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=rate, seed=2)).remove()


def test_layers_that_share_a_weight_are_named() -> None:
    """The network stores it twice, with other faults in each copy."""
    pytest.importorskip("onnxruntime")
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    module[2].weight = module[0].weight
    x = torch.randn(32, 4, 6, 6)
    net = flatenn.from_torch(module, x, calibration=x, agreement=0.0)
    with pytest.raises(ValueError, match="module: 0 and 2 share one weight"):
        flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=0.01))
    module[2].weight = nn.Parameter(module[0].weight.detach().clone())
    with flatenn.apply_to_torch(module, flatenn.FaultMap.draw(net, rate=0.1)) as applied:
        assert set(applied.changed) >= {"0.weight", "2.weight"}


def test_batch_norm_without_statistics_is_named(float_case: Any) -> None:
    module, _, net = float_case
    copied = copy.deepcopy(module)
    copied.bn1.track_running_stats = False
    copied.bn1.running_mean = copied.bn1.running_var = None
    with pytest.raises(ValueError, match="batch norm behind conv1 keeps no running statistics"):
        flatenn.apply_to_torch(copied, flatenn.FaultMap.draw(net, rate=0.01))
