"""Quantizers with learned steps: real numbers in, real numbers on a grid out."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

KINDS = ("lsq", "tied", "liq")

#: Keeps log(s) finite for a weight tensor of zeros, and for an activation that was zero throughout.
_LEAST_WEIGHT_SCALE = 1e-12
_LEAST_ACTIVATION_SCALE = 1e-6

#: Step of the uniform quantizer with 2^b levels and least squared error for a standard normal,
#: b = 2..8 (Max, "Quantizing for minimum distortion", IRE Trans. Inf. Theory 6, 1960).
_GAUSSIAN_STEP = (0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.05687, 0.03076)


def tied_factor_at(factor: float, bits: int) -> float:
    """`factor` (0: 0.3) at 4 bits; at b bits times the ratio of the Gaussian's best steps."""
    return (factor or 0.3) * _GAUSSIAN_STEP[bits - 2] / _GAUSSIAN_STEP[2]


def _column(scale: Tensor, x: Tensor) -> Tensor:
    """A scale a channel beside x's first dimension."""
    return scale if scale.numel() == 1 else scale.reshape(-1, *[1] * (x.dim() - 1))


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, log_scale: Tensor, low: int, high: int, step: int, factor: float
    ) -> Tensor:
        scale = log_scale.exp()
        u = x * (1 / _column(scale, x))
        clamped = u.clamp(low, high)
        offset = low % step
        v = ((clamped - offset) / step).round() * step + offset
        ctx.save_for_backward(u, v, clamped, scale)
        ctx.factor = factor
        return v * _column(scale, x) + 0.0  # + 0: no minus zero

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        u, v, clamped, scale = ctx.saved_tensors
        (grad,) = grads
        inside = clamped == u
        grad_x = torch.where(inside, grad, torch.zeros_like(grad))
        per_element = grad * torch.where(inside, v - u, v)
        if scale.numel() == 1:
            total = per_element.sum(dtype=torch.float64).reshape(1)
        else:
            total = per_element.flatten(1).sum(1, dtype=torch.float64)
        grad_scale = (total * scale * ctx.factor).to(scale.dtype)
        return grad_x, grad_scale.reshape(scale.shape), None, None, None, None


class _Replace(torch.autograd.Function):
    """Another value in place of `differentiable`, whose gradient goes straight through."""

    @staticmethod
    def forward(ctx: Any, differentiable: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], None


def fake_quantize(
    x: Tensor, log_scale: Tensor, low: int, high: int, step: int = 1, gradient_scale: float = 1.0
) -> Tensor:
    """Q(x) = s v with s = exp(log_scale) and v the value in {low, low + step, ..., high} that is
    nearest to x / s (ties to even codes).

    Gradients, with u = x / s: dL/dx = dL/dQ where low <= u <= high, else 0; dL/dlog_scale =
    gradient_scale * s * sum dL/dQ (v - u inside, v outside). LSQ's step gradient (Esser et al.,
    arXiv:1902.08153, eq. 3) carried to log_scale. First derivatives only.

    :param x: float32, any shape.
    :param log_scale: one element, or one for each index of x's first dimension.
    """
    result: Tensor = _FakeQuantize.apply(x, log_scale, low, high, step, gradient_scale)
    return result


def _check_bits(what: str, bits: int, most: int = 8) -> int:
    if isinstance(bits, bool) or not isinstance(bits, int):
        raise TypeError(f"{what}: bits must be an integer, got {bits!r}")
    if not 2 <= bits <= most:
        raise ValueError(f"{what}: bits must be in [2, {most}], got {bits}")
    return bits


class WeightQuantizer(nn.Module):
    """Q(w) of a layer's weights.

    :param weight: the latent weight that scales are initialized from.
    :param bits: 2..8; 2..7 for "liq".
    :param kind: "lsq": s = exp(t), t learned (arXiv:1902.08153). "tied": s = factor mean|w|,
        follows the weights. "liq": standardized weights, learned clip, 2^b symmetric levels
        (arXiv:2111.12273).
    :param per_channel: one scale an output channel.
    :param tied_factor: of "tied", at 4 bits, and its like at others; 0 takes 0.3.
    :param keep_spread: of "liq": multiply by the spread that the weight had at first; for layers
        without batch norm.
    """

    log_scale: Tensor | None
    gain: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bits: int = 4,
        kind: str = "lsq",
        *,
        per_channel: bool = False,
        tied_factor: float = 0.0,
        keep_spread: bool = False,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
        self.bits = _check_bits(f"{kind} weight quantizer", bits, 7 if kind == "liq" else 8)
        if tied_factor < 0:
            raise ValueError(f"tied_factor: must not be negative, got {tied_factor}")
        self.kind, self.per_channel = kind, per_channel
        self.tied_factor = tied_factor_at(tied_factor, bits)
        self.step = 2 if kind == "liq" else 1
        half = 2 ** (bits - 1)
        self.low, self.high = (1 - 2 * half, 2 * half - 1) if kind == "liq" else (-half, half - 1)
        if kind == "tied":
            self.register_parameter("log_scale", None)
        else:
            scales = weight.shape[0] if per_channel else 1
            self.log_scale = nn.Parameter(weight.new_zeros(scales))
        if kind == "liq" and keep_spread:
            self.register_buffer("gain", weight.new_ones(1))
        else:
            self.gain = None
        self.initialize(weight)

    @torch.no_grad()
    def initialize(self, weight: Tensor) -> None:
        """Sets learned scales, and the gain, from a weight."""
        if self.kind == "lsq":
            assert self.log_scale is not None
            scale = self._magnitude(weight) * (2 / math.sqrt(self.high))
            self.log_scale.copy_(scale.clamp_min(_LEAST_WEIGHT_SCALE).log())
        elif self.kind == "liq":
            assert self.log_scale is not None
            self.log_scale.fill_(math.log(_GAUSSIAN_STEP[self.bits - 2] / 2))
            if self.gain is not None:
                self.gain.fill_(self._spread(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Q(w), differentiable in w and the learned scale; without the gain."""
        x = self._standardized(weight) if self.kind == "liq" else weight
        return fake_quantize(
            x, self._log_scale(weight), self.low, self.high, self.step, self._gradient_scale(weight)
        )

    def forward_faulty(self, weight: Tensor, codes: Tensor) -> Tensor:
        """What a memory holds whose words became `codes`, int8, of the weight's shape; without the
        gain. The weight's gradient is that of Q(w); the learned scale's is that of the values held.
        """
        log_scale = self._log_scale(weight)
        scaled = log_scale * self._gradient_scale(weight)
        scale = (log_scale.detach() + (scaled - scaled.detach())).exp()
        change = self.step * (codes.to(weight.dtype) - self.codes(weight).to(weight.dtype))
        moved = self(weight) + change * _column(scale, weight)
        exact: Tensor = _Replace.apply(moved, self.values(codes, weight))
        return exact

    @torch.no_grad()
    def codes(self, weight: Tensor) -> Tensor:
        """Codes k as a memory stores them, int8, of the weight's shape; value k, or 2k + 1 for
        "liq"."""
        x = self._standardized(weight) if self.kind == "liq" else weight
        value = (x / _column(self._log_scale(weight).exp(), x)).clamp(self.low, self.high)
        codes: Tensor = ((value - self.low % self.step) / self.step).round().to(torch.int8)
        return codes

    @torch.no_grad()
    def values(self, codes: Tensor, weight: Tensor) -> Tensor:
        """Q that codes stand for beside the latent `weight`, without the gain."""
        v = codes.to(weight.dtype) * self.step + self.low % self.step
        values: Tensor = v * _column(self._log_scale(weight).exp(), weight)
        return values

    def scales(self, weight: Tensor) -> Tensor:
        """Real value of v = 1, with the gain: [1] or [out], detached."""
        scale = self._log_scale(weight).detach().exp()
        return scale if self.gain is None else scale * self.gain

    def _gradient_scale(self, weight: Tensor) -> float:
        elements = weight[0].numel() if self.per_channel else weight.numel()
        return 1.0 if self.kind == "tied" else 1 / math.sqrt(elements * self.high)

    def _log_scale(self, weight: Tensor) -> Tensor:
        if self.log_scale is not None:
            return self.log_scale
        scale = self._magnitude(weight) * self.tied_factor
        return scale.clamp_min(_LEAST_WEIGHT_SCALE).log()

    def _magnitude(self, weight: Tensor) -> Tensor:
        magnitude = weight.detach().abs()
        return magnitude.flatten(1).mean(1) if self.per_channel else magnitude.mean().reshape(1)

    @staticmethod
    def _spread(weight: Tensor) -> Tensor:
        return weight.detach().std().clamp_min(_LEAST_WEIGHT_SCALE)

    def _standardized(self, weight: Tensor) -> Tensor:
        """Mean and spread are constants to the gradient, as in the authors' program."""
        return (weight - weight.detach().mean()) / self._spread(weight)

    def extra_repr(self) -> str:
        return f"{self.kind}, bits={self.bits}, per_channel={self.per_channel}"


class ActivationQuantizer(nn.Module):
    """Quantizes one activation tensor with one learned scale (s = exp(t), LSQ's gradient).

    :param bits: 2..8.
    :param signed: codes around 0; else clamping at 0 is the ReLU itself.
    :param fatrelu: above 0: values under fatrelu times the first clip become 0.

    The first batch that comes through sets the scale, unless :meth:`initialize` did.
    """

    initialized: Tensor
    least_log_scale: Tensor

    def __init__(self, bits: int = 4, signed: bool = False, fatrelu: float = 0.0) -> None:
        super().__init__()
        self.bits = _check_bits("activation quantizer", bits)
        if not 0 <= fatrelu < 1:
            raise ValueError(f"fatrelu: must be in [0, 1), got {fatrelu}")
        self.signed, self.fatrelu = signed, fatrelu
        self.low: int = -(2 ** (bits - 1)) if signed else 0
        self.high: int = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
        self.log_scale = nn.Parameter(torch.zeros(1))
        self.register_buffer("initialized", torch.zeros(1, dtype=torch.uint8))
        self.register_buffer(
            "least_log_scale", torch.full((1,), math.log(_LEAST_ACTIVATION_SCALE))
        )
        self._ready = False

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Sets the scale from a batch: s = 2 mean|x| / sqrt(high), over x > 0 if unsigned."""
        used = x.abs() if self.signed else x.clamp_min(0)
        count = x.numel() if self.signed else (x > 0).sum().clamp_min(1)
        scale = used.sum() / count * (2 / math.sqrt(self.high))
        self.log_scale.copy_(scale.clamp_min(_LEAST_ACTIVATION_SCALE).log().reshape(1))
        if self.fatrelu > 0:
            self.least_log_scale.copy_(self.log_scale + math.log(2 * self.fatrelu * self.high))
        self.initialized.fill_(1)
        self._ready = True

    def forward(self, x: Tensor) -> Tensor:
        """Fake-quantized x, [N, ...]."""
        if not self._ready:
            self._ready = bool(self.initialized.item())
            if not self._ready:
                self.initialize(x)
        factor = 1 / math.sqrt(x[0].numel() * self.high)
        return fake_quantize(x, self._floored(), self.low, self.high, 1, factor)

    @torch.no_grad()
    def codes(self, x: Tensor) -> Tensor:
        """Codes of x, int16."""
        return (x / self.scale()).clamp(self.low, self.high).round().to(torch.int16)

    def scale(self) -> Tensor:
        """Real value of code 1: [1], detached."""
        return self._floored().detach().exp()

    def _floored(self) -> Tensor:
        if self.fatrelu > 0:
            return torch.maximum(self.log_scale, self.least_log_scale)
        return self.log_scale

    def extra_repr(self) -> str:
        return f"bits={self.bits}, signed={self.signed}"
