"""Weights of any torch module as a memory, and networks that give maps."""

from __future__ import annotations

import pathlib
import pickle
from typing import Any

import numpy as np
import pytest
from torch_models import a_batch, trained

import torch  # after torch_models, which skips where there is none
from torch import Tensor, nn

import flatenn
import flatenn.torch as ft


class Detector(nn.Module):
    """Two outputs, layers of all kinds, one weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 6, 2, stride=2)
        self.sequence = nn.Conv1d(6, 5, 3)
        self.volume = nn.Conv3d(1, 2, 2)
        self.boxes, self.scores = nn.Linear(5, 4), nn.Linear(5, 4)
        self.scores.weight = self.boxes.weight

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.up(self.stem(x).relu()).relu()
        y = self.sequence(x.flatten(2)).relu().mean(2)
        return self.boxes(y), self.scores(y) + self.volume(x[:, None]).mean()


@pytest.fixture
def detector() -> Detector:
    torch.manual_seed(5)
    return Detector().eval()


STORED = ["stem", "up", "sequence", "volume", "boxes"]


def test_codes_are_those_of_pytorchs_quantizer(detector: Detector) -> None:
    memory = flatenn.memory_from_torch(detector)
    assert memory.layers["name"] == STORED and not memory.runs and memory.name == "Detector"
    for path in STORED:
        weight = detector.get_submodule(path).weight.detach()
        scales = torch.from_numpy(memory.scales(path).copy())
        if path == "up":
            assert len(scales) == 1
            values = torch.fake_quantize_per_tensor_affine(weight, float(scales), 0, -128, 127)
        else:
            assert len(scales) == len(weight)
            zeros = torch.zeros(len(scales), dtype=torch.int32)
            values = torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -128, 127)
        assert np.array_equal(memory.dequantized(path).ravel(), values.numpy().ravel()), path
        codes = memory.weights(path)
        assert np.abs(codes).max() == 127
    four = flatenn.memory_from_torch(detector, bits=4, layers=["stem", "boxes"], name="part")
    assert four.layers["name"] == ["stem", "boxes"] and four.layers["bits"] == [4, 4]
    assert four.weight_bits == 4 * (4 * 27 + 20) and np.abs(four.weights("stem")).max() == 7


@pytest.mark.parametrize("form", ["plain", "channels_last", "double", "bfloat16"])
def test_faults_of_a_memory_reach_the_module(detector: Detector, form: str) -> None:
    changes: dict[str, Any] = {
        "channels_last": {"memory_format": torch.channels_last},
        "double": {"dtype": torch.float64}, "bfloat16": {"dtype": torch.bfloat16},
    }  # fmt: skip
    module = detector if form != "channels_last" else nn.Sequential(detector.stem, detector.up)
    module = module.to(**changes.get(form, {}))
    memory = flatenn.memory_from_torch(module)
    drawn = flatenn.FaultMap.draw(memory, rate=0.05, seed=3, trial=1)
    faulty = memory.with_faults(drawn)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with flatenn.apply_to_torch(module, drawn) as applied:
        for path in memory.layers["name"]:
            weight = module.get_submodule(path).weight
            moved = memory.weights(path) != faulty.weights(path)
            assert applied.changed[f"{path}.weight"] == moved.sum() > 0
            real = torch.from_numpy(faulty.dequantized(path)).reshape(weight.shape).to(weight)
            kept = torch.from_numpy(moved.reshape(weight.shape))
            assert torch.equal(weight[kept], real[kept])
            assert torch.equal(weight[~kept], before[f"{path}.weight"][~kept])
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_layers_that_trained_quantized_keep_their_codes() -> None:
    model = trained()
    memory, net = flatenn.memory_from_torch(model), flatenn.from_torch(model, a_batch(100)[0])
    for own, frozen in zip(memory.layers, [r for r in net.layers if r["weights"]], strict=True):
        assert own["bits"] == frozen["bits"] and own["kind"] == frozen["kind"]
        assert np.array_equal(memory.weights(own["name"]), net.weights(frozen["name"]))
    ours, theirs = (flatenn.FaultMap.draw(n, rate=0.02, seed=4) for n in (memory, net))
    assert np.array_equal(ours.element, theirs.element) and np.array_equal(ours.bit, theirs.bit)
    x, _ = a_batch()
    model.eval()
    with torch.no_grad():
        with flatenn.apply_to_torch(model, ours):
            a = model(x)
        with flatenn.apply_to_torch(model, theirs):
            b = model(x)
    assert torch.equal(a, b)


def test_odd_levels_are_stored_as_codes() -> None:
    layer = ft.QuantLinear(6, 3, bits=3, quantizer="liq", keep_spread=True)
    memory = flatenn.memory_from_torch(nn.Sequential(layer))
    assert np.allclose(memory.dequantized("0")[..., 0, 0], layer.effective_weight().detach())


def test_a_campaign_over_a_module_of_any_task(detector: Detector) -> None:
    x = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    memory = flatenn.memory_from_torch(detector)
    with torch.no_grad():
        golden, _ = detector(x)
    calls = []

    def moved_boxes(network: flatenn.Network) -> Tensor:
        assert network.fault_map is not None
        calls.append(len(network.fault_map))
        with torch.no_grad(), flatenn.apply_to_torch(detector, network.fault_map):
            return (detector(x)[0] - golden).abs().mean(1)

    results = flatenn.campaign(memory, evaluate=moved_boxes, rates=[0.001, 0.05], trials=3)
    assert calls[0] == 0 and min(calls[4:]) > 0 and results.cells["golden"] == [0, 0]
    assert 0 <= results.cells["mean"][0] < results.cells["mean"][1]
    assert torch.equal(detector(x)[0], golden)


def test_a_memory_cannot_run_and_says_so(detector: Detector, tmp_path: pathlib.Path) -> None:
    memory = flatenn.memory_from_torch(detector)
    images = np.zeros((2, 3, 8, 8), np.float32)
    for work in (
        lambda: memory.run(images), lambda: memory.codes(images), lambda: memory.input_shape,
        lambda: memory.evaluate((images, [0, 1])), lambda: memory.save(tmp_path / "m.onnx"),
        lambda: flatenn.campaign(memory, (images, np.zeros(2, int)), trials=1),
        lambda: flatenn.campaign(memory, "mnist", trials=1), lambda: memory.classes,
    ):  # fmt: skip
        with pytest.raises(flatenn.Error, match="holds weights alone"):
            work()
    assert "stem" in memory._repr_html_() and "6 faults" in repr(
        memory.with_faults(flatenn.FaultMap.draw(memory, count=6))
    )


def test_memories_and_their_maps_pickle(detector: Detector) -> None:
    memory = flatenn.memory_from_torch(detector)
    drawn = flatenn.FaultMap.draw(memory, rate=0.01)
    copy = pickle.loads(pickle.dumps(drawn))
    assert copy == drawn and copy.network == memory and copy.network.layers == memory.layers


def test_what_cannot_be_stored_or_changed_is_named(detector: Detector) -> None:
    memory = flatenn.memory_from_torch(detector)
    drawn = flatenn.FaultMap.draw(memory, rate=0.01)
    with pytest.raises(ValueError, match="module: has no convolutions"):
        flatenn.memory_from_torch(nn.ReLU())
    with pytest.raises(ValueError, match="layers: 'stern' is none of stem, up"):
        flatenn.memory_from_torch(detector, layers="stern")
    with pytest.raises(ValueError, match="bits"):
        flatenn.memory_from_torch(detector, bits=9)
    with pytest.raises(ValueError, match=r"module: stem\.weight is on the meta device"):
        flatenn.memory_from_torch(Detector().to("meta"))
    with pytest.raises(ValueError, match="module: 'stem' is no part of the module"):
        flatenn.apply_to_torch(nn.Sequential(nn.Linear(2, 2)), drawn)
    with pytest.raises(ValueError, match=r"module: stem\.weight is not what layer 'stem'"):
        flatenn.apply_to_torch(Detector(), drawn)
    nn.utils.parametrizations.weight_norm(detector.up)
    with pytest.raises(ValueError, match=r"module: up\.weight is computed .*parametrization"):
        flatenn.apply_to_torch(detector, drawn)
    with torch.no_grad():
        detector.stem.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"module: stem\.weight holds numbers that are not finite"):
        flatenn.memory_from_torch(detector)


def test_a_single_layer_is_a_module_too() -> None:
    layer = nn.Linear(5, 3)
    drawn = flatenn.FaultMap.draw(flatenn.memory_from_torch(layer), count=2)
    with flatenn.apply_to_torch(layer, drawn) as applied:
        assert sum(applied.changed.values()) > 0


class Segmenter(nn.Module):
    """A class for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_networks_of_maps() -> None:
    pytest.importorskip("onnxruntime")
    torch.manual_seed(6)
    module, x = Segmenter().eval(), torch.randn(32, 3, 10, 12)
    net = flatenn.from_torch(module, x, calibration=x)
    assert net.output_shape == (4, 10, 12) and "4x10x12" in repr(net)
    got, wanted = net.run(x), module(x).detach().numpy()
    assert got.shape == wanted.shape and np.abs(got - wanted).max() < 0.05 * np.ptp(wanted)
    assert net.comparison["same_top1"] > 0.9
    classes = wanted.argmax(1)

    def overlap(network: flatenn.Network) -> np.ndarray:
        return (network.run(x).argmax(1) == classes).mean((1, 2))

    results = flatenn.campaign(net, evaluate=overlap, rates=[0.01], trials=3)
    assert results.trials["images"] == [32] * 3
    assert results.cells[0]["golden"] == pytest.approx(net.comparison["same_top1"])
    drawn = flatenn.FaultMap.draw(net, rate=0.01, seed=2)
    with torch.no_grad(), flatenn.apply_to_torch(module, drawn):
        faulty = module(x).numpy()
    effect = np.abs(net.with_faults(drawn).run(x) - got).mean()
    assert effect > 0 and np.abs(faulty - net.with_faults(drawn).run(x)).mean() < 0.2 * effect
    with pytest.raises(ValueError, match="data: this network gives maps"):
        net.evaluate((x, torch.zeros(32, dtype=torch.int64)))
