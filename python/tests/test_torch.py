"""flatenn.torch against flatenn's C++ training, by the numbers that the C++ tests hold."""

from __future__ import annotations

import copy
import functools
import math
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import flatenn  # noqa: E402
import flatenn.torch as ft  # noqa: E402

torch.set_num_threads(1)

#: As src/train/lenet_step_test.cpp: another order of summation can move a code.
RELATIVE = 2e-4
INPUT_SCALE = 2.0 / 127


def golden(path: str) -> list[Any]:
    """A golden/*.inc file as nested Python tuples."""
    return rows_of((ROOT / path).read_text())


@functools.cache
def lenet_steps() -> dict[str, Any]:
    """What src/train/golden/lenet_step.py computes with this PyTorch: the numbers that the C++
    training is held to. Products of codes tie in many pooling windows, and PyTorch's versions sum
    in different orders, so that the winner of a tie is a matter of the version."""
    script = ROOT / "src/train/golden/lenet_step.py"
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    return {row[0]: row for row in rows_of(done.stdout)}


def rows_of(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return [eval(line.rstrip(",").replace("{", "(").replace("}", ")")) for line in lines]  # noqa: S307


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


@pytest.mark.parametrize("grid", golden("src/nn/golden/quantizer.inc"), ids=lambda g: g[0])
def test_quantizers_follow_lsqs_equations(grid: Any) -> None:
    """Values and gradients in exact arithmetic, as src/nn/quantize_test.cpp holds them."""
    _, low, high, step, scale, rows, of_scale = grid
    x = torch.tensor([row[0] for row in rows], requires_grad=True)
    t = torch.tensor([math.log(scale)], requires_grad=True)
    q = ft.fake_quantize(x, t, low, high, step)
    q.backward(torch.tensor([row[1] for row in rows]))
    assert q.tolist() == pytest.approx([row[2] for row in rows], abs=1e-6)
    assert x.grad.tolist() == [row[3] for row in rows]
    assert t.grad.item() == pytest.approx(of_scale * scale, rel=1e-5)


def test_gradients_agree_with_the_step_rule_of_autograd() -> None:
    """Against LSQ written with detach, a second derivation."""
    torch.manual_seed(0)
    x = torch.randn(6, 5, 3, 3, requires_grad=True)
    t = torch.full((6,), math.log(0.3), requires_grad=True)
    weight = torch.randn(6, 5, 3, 3)
    (ft.fake_quantize(x, t, -8, 7, 1, 0.25) * weight).sum().backward()
    got = x.grad.clone(), t.grad.clone()
    x.grad = t.grad = None
    tt = t.detach() + 0.25 * (t - t.detach())
    s = tt.exp().reshape(-1, 1, 1, 1)
    u = (x / s).clamp(-8, 7)
    (((u.round() - u).detach() + u) * s * weight).sum().backward()
    assert torch.allclose(got[0], x.grad) and torch.allclose(got[1], t.grad, rtol=1e-4)


@pytest.mark.parametrize("kind", ["lsq", "tied", "liq"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_codes_stand_for_the_quantizers_output(kind: str, per_channel: bool) -> None:
    torch.manual_seed(1)
    weight = torch.randn(8, 4, 3, 3)
    quantizer = ft.WeightQuantizer(weight, 4, kind, per_channel=per_channel)
    codes = quantizer.codes(weight)
    assert codes.min() >= -8 and codes.max() <= 7
    assert torch.allclose(quantizer.values(codes, weight), quantizer(weight), atol=1e-6)


def test_a_tied_factor_given_by_hand_scales_with_the_bits() -> None:
    torch.manual_seed(1)
    weight = torch.randn(64, 300)
    for bits, step in ((2, 0.9957), (4, 0.3352), (8, 0.0308)):
        quantizer = ft.WeightQuantizer(weight, bits, "tied", tied_factor=0.2)
        expected = 0.2 * step / 0.3352 * weight.abs().mean()
        levels = quantizer(weight).unique()
        assert torch.allclose(levels.diff().min(), expected, rtol=3e-3)


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


def test_wrong_arguments_are_named() -> None:
    model = batch_norm_model()
    base = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="base_optimizer"):
        ft.SAQ(model, base)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rho"):
        ft.SAQ(base, model, rho=-1)
    with pytest.raises(ValueError, match="method"):
        ft.SAQ(base, model, method="sax")
    with pytest.raises(ValueError, match="closure"):
        ft.SAQ(base, model).step()
    with pytest.raises(ValueError, match="bits"):
        ft.QuantLinear(3, 4, bits=9)
    with pytest.raises(ValueError, match="bits"):
        ft.QuantLinear(3, 4, bits=8, quantizer="liq")
    with pytest.raises(ValueError, match="kind"):
        ft.QuantLinear(3, 4, quantizer="dorefa")
    with pytest.raises(ValueError, match="mix"):
        ft.RandBET(base, model, mix=2)
    with pytest.raises(ValueError, match="rate"), ft.random_bit_errors(model, 2.0):
        pass
    with pytest.raises(ValueError, match="module"), ft.random_bit_errors(nn.Linear(2, 2), 0.1):
        pass


def trained() -> nn.Sequential:
    model = batch_norm_model()
    optimizer = ft.SAQ(torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9), model)
    for _ in range(20):
        optimizer.step(closure_of(model, *a_batch(64)))
    return model


def test_trained_codes_arrive_in_the_network() -> None:
    model = trained()
    x, _ = a_batch(200)
    net = flatenn.from_torch(model, x)
    for layer, row in zip([1, 4, 10], [r for r in net.layers if r["weights"]], strict=True):
        codes = model[layer].codes().numpy()
        assert np.array_equal(net.weights(row["name"]).reshape(codes.shape), codes)
        assert row["bits"] == model[layer].weight_quantizer.bits
    assert net.comparison["same_top1"] > 0.97 and net.comparison["images"] == 200
    model.train()
    flatenn.from_torch(model, x)
    assert model.training and model[2].training


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
    assert model[1].faulty_weight is None


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


@pytest.fixture(scope="module")
def float_case() -> tuple[nn.Module, Tensor, flatenn.Network]:
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


def test_float_modules_are_quantized_and_compared(float_case: Any) -> None:
    module, x, net = float_case
    assert net.name == "FloatNet" and net.comparison["same_top1"] > 0.9
    assert {row["bits"] for row in net.layers if row["weights"]} == {8}
    with pytest.raises(ValueError, match="calibration"):
        flatenn.from_torch(module, x)
    with pytest.raises(ValueError, match="agree"):
        flatenn.from_torch(module, x, calibration=x[:2] * 1e-3, agreement=1.0)


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


def test_tensors_are_read_where_they_lie(float_case: Any) -> None:
    _, x, net = float_case
    assert np.array_equal(net.run(x), net.run(x.numpy()))
    assert np.array_equal(net.run(x.clone().requires_grad_()), net.run(x))
    channels_last = x.to(memory_format=torch.channels_last)
    assert np.array_equal(net.run(channels_last), net.run(x))
    from flatenn._arguments import array

    assert np.shares_memory(array("images", x), x.numpy())


def test_tensors_on_another_device_are_named(float_case: Any) -> None:
    _, x, net = float_case
    with pytest.raises(ValueError, match=r"images.*meta.*images\.cpu\(\)"):
        net.run(x.to("meta"))


def test_modules_without_numbers_are_named(float_case: Any) -> None:
    module, x, net = float_case
    ghost = copy.deepcopy(module).to("meta")
    with pytest.raises(ValueError, match=r"module: conv1\.weight is on the meta device"):
        flatenn.from_torch(ghost, x, calibration=x)
    with pytest.raises(ValueError, match=r"module: conv1\.weight is on the meta device"):
        flatenn.apply_to_torch(ghost, flatenn.FaultMap.draw(net, rate=0.01))
    with pytest.raises(ValueError, match=r"labels.*meta.*labels\.cpu\(\)"):
        flatenn.campaign(net, (x, torch.zeros(len(x), dtype=torch.int64, device="meta")), trials=1)


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


def test_what_cannot_be_run_or_exported_is_named(float_case: Any) -> None:
    module, x, _ = float_case
    with pytest.raises(ValueError, match="example: the module cannot run images of shape"):
        flatenn.from_torch(module, x[:, :1], calibration=x)

    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.special.bessel_j0(x).mean((2, 3)).repeat(1, 2)[:, :4])

    with pytest.raises(ValueError, match="module: torch.onnx cannot export it"):
        flatenn.from_torch(Strange(), x, calibration=x)


def test_loaders_of_streams_are_read(float_case: Any) -> None:
    """Such a loader cannot tell its length."""
    _, x, net = float_case

    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return ((image, 0) for image in x[:10])

    logits = net.run(torch.utils.data.DataLoader(Stream(), 4))
    assert np.array_equal(logits, net.run(x[:10]))


def test_programs_are_built_against_this_torch_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flatenn.torch import build

    with pytest.raises(FileNotFoundError, match="source"):
        build.build(tmp_path / "none")
    with pytest.raises(ValueError, match="source: .* is no checkout"):
        build.build(tmp_path)
    (tmp_path / "CMakeLists.txt").write_text("project(flatenn VERSION 0.0.9 LANGUAGES CXX)")
    with pytest.raises(ValueError, match=r"source: .* is flatenn 0\.0\.9"):
        build.build(tmp_path)
    assert build.check_source(ROOT) == ROOT
    monkeypatch.setattr(torch, "compiled_with_cxx11_abi", lambda: False)
    with pytest.raises(ImportError, match="torch: .* C\\+\\+ ABI"):
        build.build(ROOT)


def test_liq_has_no_form_in_onnx() -> None:
    model = nn.Sequential(ft.QuantInput(0.03), nn.Flatten(), ft.QuantLinear(144, 10, quantizer="liq"))
    with pytest.raises(ValueError, match="liq"):
        flatenn.from_torch(model, a_batch()[0])


def test_modules_pickle(tmp_path: pathlib.Path) -> None:
    model = trained()
    torch.save(model, tmp_path / "m.pt")
    again = torch.load(tmp_path / "m.pt", weights_only=False)
    x, _ = a_batch()
    assert torch.equal(again.eval()(x), model.eval()(x))
    assert re.search("lsq, bits=4", repr(again))
