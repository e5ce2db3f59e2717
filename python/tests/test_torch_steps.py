"""flatenn.torch's optimizers against flatenn's C++ training, by the numbers that its tests hold."""

from __future__ import annotations

import copy
import functools
import math
import subprocess
import sys
from typing import Any

import pytest
from conftest import ROOT
from torch_models import a_batch, batch_norm_model, closure_of, golden, rows_of

import torch  # after torch_models, which skips where there is none
import torch.nn.functional as F
from torch import Tensor, nn

import flatenn.torch as ft

#: As src/train/lenet_step_test.cpp: another order of summation can move a code.
RELATIVE = 2e-4
INPUT_SCALE = 2.0 / 127


@functools.cache
def lenet_steps() -> dict[str, Any]:
    """What src/train/golden/lenet_step.py computes with this PyTorch: the numbers that the C++
    training is held to. Products of codes tie in many pooling windows, and PyTorch's versions sum
    in different orders, so that the winner of a tie is a matter of the version."""
    script = ROOT / "src/train/golden/lenet_step.py"
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    return {row[0]: row for row in rows_of(done.stdout)}


def pattern(shape: tuple[int, ...], frequency: float, phase: float) -> Tensor:
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(frequency * i * i + phase * i + phase).reshape(shape)


def lenet() -> nn.Sequential:
    """The network of src/train/golden/lenet_step.py from flatenn.torch's modules."""
    model = nn.Sequential(
        ft.QuantInput(INPUT_SCALE),
        ft.QuantConv2d(1, 6, 5, padding=2, bits=8), nn.MaxPool2d(2), ft.QuantReLU(4),
        ft.QuantConv2d(6, 16, 5, bits=4), nn.MaxPool2d(2), ft.QuantReLU(4), nn.Flatten(),
        ft.QuantLinear(400, 120, bits=4), ft.QuantReLU(4),
        ft.QuantLinear(120, 84, bits=4), ft.QuantReLU(8),
        ft.QuantLinear(84, 10, bits=8),
    )  # fmt: skip
    layers = [m for m in model if hasattr(m, "weight_quantizer")]
    with torch.no_grad():
        for k, layer in enumerate(layers):
            fan_in = layer.weight[0].numel()
            layer.weight.copy_(
                pattern(tuple(layer.weight.shape), 0.37 + 0.01 * k, 0.11) * math.sqrt(3 / fan_in)
            )
            layer.bias.fill_(0.01 * (k + 1))
            layer.weight_quantizer.initialize(layer.weight)
        for quantizer in model:
            if isinstance(quantizer, ft.QuantReLU):
                quantizer.initialize(torch.ones(1, 1))
                quantizer.log_scale.fill_(math.log(0.1 if quantizer.bits < 8 else 0.01))
    return model


def base_optimizer(model: nn.Module, name: str) -> torch.optim.Optimizer:
    if name in ("adam", "adamw"):
        groups = ft.parameter_groups(model, 0.002, 0.1, scale_lr=0.2)
        return (torch.optim.Adam if name == "adam" else torch.optim.AdamW)(groups, lr=0.002)
    groups = ft.parameter_groups(model, 0.1, 0.01, scale_lr=0.2)
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=name == "nesterov")


@pytest.mark.parametrize("case", golden("src/train/golden/lenet_step.inc"), ids=lambda c: c[0])
def test_steps_are_those_of_the_cpp_training(case: Any) -> None:
    name, first_losses, *_ = case
    _, losses, rms, scales = lenet_steps()[name]
    assert losses[0] == first_losses[0]  # before the first update nothing depends on ties
    model = lenet()
    method = name if name in ("sam", "saq", "asaq") else "sgd"
    optimizer = ft.SAQ(
        base_optimizer(model, name), model, rho=0.5 if name == "asaq" else 0.1, method=method
    )
    for step, expected in enumerate(losses):
        x = (2 * pattern((8, 1, 28, 28), 0.013 + 0.001 * step, 0.3)).float()
        y = (torch.arange(8) * 3 + step) % 10

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == pytest.approx(expected, rel=RELATIVE)
    layers = [m for m in model if hasattr(m, "weight_quantizer")]
    tensors = [layer.weight for layer in layers] + [layer.bias for layer in layers]
    for i, (tensor, expected) in enumerate(zip(tensors, rms, strict=True)):
        got = tensor.detach().double().pow(2).mean().sqrt().item()
        assert got == pytest.approx(expected, rel=RELATIVE if i < 5 else 20 * RELATIVE)
    learned = [
        q.log_scale.item() for m in model for q in (m, getattr(m, "weight_quantizer", None))
        if isinstance(q, (ft.ActivationQuantizer, ft.WeightQuantizer))
    ]  # fmt: skip
    assert learned == pytest.approx(list(scales), abs=RELATIVE)


@pytest.mark.parametrize("method", ["sam", "saq", "asaq"])
def test_rho_zero_is_the_base_optimizer(method: str) -> None:
    models = [batch_norm_model(), batch_norm_model()]
    bases = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in models]
    optimizers = [
        ft.SAQ(bases[0], models[0], method="sgd"),
        ft.SAQ(bases[1], models[1], 0, method=method, perturb_biases=True,
               perturb_batch_norm=True, perturb_activation_scales=True),
    ]  # fmt: skip
    for _ in range(3):
        for optimizer, model in zip(optimizers, models):
            optimizer.step(closure_of(model, *a_batch()))
    for (name, a), b in zip(models[0].state_dict().items(), models[1].state_dict().values()):
        assert torch.equal(a, b), name


def test_a_step_moves_parameters_by_the_update_alone() -> None:
    model = batch_norm_model()
    model(a_batch()[0])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    statistics = model[2].running_mean.clone()
    optimizer = ft.SAQ(torch.optim.SGD(model.parameters(), lr=0.0), model, rho=0.5)
    calls = []

    def failing() -> Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("second pass")
        return closure_of(model, *a_batch())()

    optimizer.step(failing)
    assert optimizer.last["rho_relative"] > 0 and optimizer.last["grad_norm"] > 0
    expected = 0.9 * statistics + 0.1 * model[1](model[0](a_batch()[0])).mean((0, 2, 3))
    assert torch.allclose(model[2].running_mean, expected, atol=1e-5)  # one pass, not two
    with pytest.raises(RuntimeError, match="second pass"):
        optimizer.step(failing)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name
    assert all(layer.perturbation is None for layer in model if hasattr(layer, "perturbation"))
    assert all(m.track_running_stats for m in model if isinstance(m, nn.BatchNorm2d))


def test_schedules_and_states_reach_the_base_optimizer() -> None:
    model = batch_norm_model()
    base = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer = ft.SAQ(base, model, rho=0.2)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.step(closure_of(model, *a_batch()))
    schedule.step()
    assert base.param_groups[0]["lr"] == 0.05
    state = copy.deepcopy(optimizer.state_dict())  # torch's hold the tensors themselves
    other = batch_norm_model()
    again = ft.SAQ(torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9), other)
    again.load_state_dict(state)
    other.load_state_dict(model.state_dict())
    assert again.rho == 0.2
    for opt, m in ((optimizer, model), (again, other)):
        opt.step(closure_of(m, *a_batch()))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters()))


@pytest.mark.parametrize("case", golden("src/train/golden/randbet_step.inc"), ids=lambda c: c[0])
def test_randbet_steps_are_those_of_the_cpp_training(case: Any) -> None:
    _, mix, losses, faulty_losses, rms, scales = case
    shapes = [(784, 32, 8), (32, 16, 4), (16, 10, 8)]
    layers = [ft.QuantLinear(m, n, bits=bits) for m, n, bits in shapes]
    outputs = [ft.QuantReLU(4), ft.QuantReLU(8)]
    with torch.no_grad():
        for k, layer in enumerate(layers):
            shape = tuple(layer.weight.shape)
            layer.weight.copy_(pattern(shape, 0.37 + 0.01 * k, 0.11) * math.sqrt(3 / shape[1]))
            layer.bias.fill_(0.01 * (k + 1))
            layer.weight_quantizer.initialize(layer.weight)
        for output in outputs:
            output.initialize(torch.ones(1, 1))
            output.log_scale.fill_(math.log(0.1 if output.bits < 8 else 0.01))
    model = nn.Sequential(
        ft.QuantInput(INPUT_SCALE), nn.Flatten(),
        layers[0], outputs[0], layers[1], outputs[1], layers[2],
    )  # fmt: skip
    groups = ft.parameter_groups(model, 0.1, 0.01, scale_lr=3)
    base = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    randbet = ft.RandBET(base, model, 0.02, mix=mix, seed=2104)
    seen: list[float] = []
    for step in range(len(losses)):
        x = (2 * pattern((8, 1, 28, 28), 0.013 + 0.001 * step, 0.3)).float()
        y = (torch.arange(8) * 3 + step) % 10

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            seen.append(loss.item())
            return loss

        randbet.step(closure)
    assert seen[::2] == pytest.approx(losses, rel=10 * RELATIVE)
    assert seen[1::2] == pytest.approx(faulty_losses, rel=10 * RELATIVE)
    tensors = [layer.weight for layer in layers] + [layer.bias for layer in layers]
    got = [tensor.detach().double().pow(2).mean().sqrt().item() for tensor in tensors]
    assert got == pytest.approx(rms, rel=10 * RELATIVE)
    quantizers = [layer.weight_quantizer for layer in layers] + outputs
    assert [q.log_scale.item() for q in quantizers] == pytest.approx(scales, rel=10 * RELATIVE)
