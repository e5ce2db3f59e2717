"""flatenn.torch's quantizers and layers: values, gradients, codes, and what their arguments may be."""

from __future__ import annotations

import math
import pathlib
import re
from typing import Any

import pytest
from torch_models import a_batch, batch_norm_model, golden, trained

import torch  # after torch_models, which skips where there is none
from torch import nn

import flatenn.torch as ft


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


def test_modules_pickle(tmp_path: pathlib.Path) -> None:
    model = trained()
    torch.save(model, tmp_path / "m.pt")
    again = torch.load(tmp_path / "m.pt", weights_only=False)
    x, _ = a_batch()
    assert torch.equal(again.eval()(x), model.eval()(x))
    assert re.search("lsq, bits=4", repr(again))


def test_a_tied_factor_given_by_hand_scales_with_the_bits() -> None:
    torch.manual_seed(1)
    weight = torch.randn(64, 300)
    for bits, step in ((2, 0.9957), (4, 0.3352), (8, 0.0308)):
        quantizer = ft.WeightQuantizer(weight, bits, "tied", tied_factor=0.2)
        expected = 0.2 * step / 0.3352 * weight.abs().mean()
        levels = quantizer(weight).unique()
        assert torch.allclose(levels.diff().min(), expected, rtol=3e-3)
