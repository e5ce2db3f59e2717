"""Networks from torch modules."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from torch_models import a_batch, trained

import torch  # after torch_models, which skips where there is none
from torch import Tensor, nn

import flatenn
import flatenn.torch as ft


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


def test_float_modules_are_quantized_and_compared(float_case: Any) -> None:
    module, x, net = float_case
    assert net.name == "FloatNet" and net.comparison["same_top1"] > 0.9
    assert {row["bits"] for row in net.layers if row["weights"]} == {8}
    with pytest.raises(ValueError, match="calibration"):
        flatenn.from_torch(module, x)
    with pytest.raises(ValueError, match="agree"):
        flatenn.from_torch(module, x, calibration=x[:2] * 1e-3, agreement=1.0)


def test_modules_without_numbers_are_named(float_case: Any) -> None:
    module, x, net = float_case
    ghost = copy.deepcopy(module).to("meta")
    with pytest.raises(ValueError, match=r"module: conv1\.weight is on the meta device"):
        flatenn.from_torch(ghost, x, calibration=x)
    with pytest.raises(ValueError, match=r"module: conv1\.weight is on the meta device"):
        flatenn.apply_to_torch(ghost, flatenn.FaultMap.draw(net, rate=0.01))
    with pytest.raises(ValueError, match="labels: the tensor is on the meta device"):
        flatenn.campaign(net, (x, torch.zeros(len(x), dtype=torch.int64, device="meta")), trials=1)


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_numbers_that_it_cannot_export_are_named(float_case: Any, dtype: torch.dtype) -> None:
    module, x, _ = float_case
    with pytest.raises(TypeError, match=rf"module: .* is {dtype}; pass module\.float\(\)"):
        flatenn.from_torch(copy.deepcopy(module).to(dtype), x, calibration=x)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_named(float_case: Any, bad: float) -> None:
    module, x, _ = float_case
    for name in ("conv2.weight", "bn1.running_var"):
        broken = copy.deepcopy(module)
        broken.state_dict()[name].view(-1)[1] = bad
        with pytest.raises(ValueError, match=f"module: {name} holds numbers that are not finite"):
            flatenn.from_torch(broken, x, calibration=x)
    images = x.clone()
    images[3, 0, 1, 1] = bad
    with pytest.raises(ValueError, match="calibration: image 3 is not finite"):
        flatenn.from_torch(module, x, calibration=images)
    with pytest.raises(ValueError, match="example: image 3 is not finite"):
        flatenn.from_torch(module, images, calibration=x)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"metadata": 5}, TypeError, "^metadata: expected a mapping"),
        ({"metadata": {"epochs": 5}}, TypeError, r"^metadata\['epochs'\]: expected a str, got 5"),
        ({"name": 5}, TypeError, "^name: expected a str"),
        ({"name": "a\0b"}, ValueError, "^name: .*NUL"),
        ({"per_channel": "x"}, TypeError, "^per_channel"),
        ({"save": "/nonexistent/x.onnx"}, FileNotFoundError, "^save: /nonexistent/x.onnx"),
        ({"save": ""}, ValueError, "^save: is an empty path"),
    ],
    ids=repr,
)
def test_options_are_checked_before_the_work(
    float_case: Any, options: Any, error: type[Exception], match: str
) -> None:
    module, x, _ = float_case
    with pytest.raises(error, match=match):
        flatenn.from_torch(module, x, calibration=x, **options)


def test_errors_of_the_modules_own_are_kept() -> None:
    class Failing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            raise self.error

    module = Failing(4, 3)
    for error in (KeyError("mask"), AssertionError(), IndexError("deep")):
        module.error = error  # type: ignore[assignment]
        with pytest.raises(ValueError, match=f"module: its forward raised {type(error).__name__}") as e:
            flatenn.from_torch(module, torch.zeros(1, 3, 4, 4), calibration=torch.zeros(1, 3, 4, 4))
        assert e.value.__cause__ is error
    module.error = RuntimeError()  # type: ignore[assignment]
    with pytest.raises(ValueError, match="example: the module cannot run images"):
        flatenn.from_torch(module, torch.zeros(1, 3, 4, 4), calibration=torch.zeros(1, 3, 4, 4))


def test_streams_that_tell_their_length_are_iterated(float_case: Any) -> None:
    _, x, net = float_case

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 5

        def __iter__(self) -> Any:
            return ((image, 0) for image in x[:5])

    assert net.evaluate(Stream())["images"] == 5


def test_liq_has_no_form_in_onnx() -> None:
    model = nn.Sequential(ft.QuantInput(0.03), nn.Flatten(), ft.QuantLinear(144, 10, quantizer="liq"))
    with pytest.raises(ValueError, match="liq"):
        flatenn.from_torch(model, a_batch()[0])
