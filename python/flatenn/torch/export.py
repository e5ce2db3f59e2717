"""How quantized layers write themselves into ONNX files (torch.onnx.export with dynamo=False):
stored codes in QDQ form, which flatenn and any ONNX runtime read."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from flatenn.torch.modules import QuantizedWeight


def _constant(value: Tensor) -> Tensor:
    """The number itself in a traced graph, without what computed it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's: that this is a constant, which is meant
        return torch.from_numpy(value.detach().cpu().numpy().copy())


def _clip(g: Any, codes: Any, low: int, high: int) -> Any:
    """Clip to fewer levels than the 8 bits of the type."""
    kind = torch.int8 if low < 0 else torch.uint8
    if (low, high) in ((-128, 127), (0, 255)):
        return codes
    least = g.op("Constant", value_t=torch.tensor(low, dtype=kind))
    most = g.op("Constant", value_t=torch.tensor(high, dtype=kind))
    return g.op("Clip", codes, least, most)


class _Activation(torch.autograd.Function):
    """QuantizeLinear, Clip, DequantizeLinear."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        return (x / scale).round().clamp(low, high) * scale

    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, low: int, high: int) -> Any:
        kind = torch.int8 if low < 0 else torch.uint8
        zero = g.op("Constant", value_t=torch.zeros((), dtype=kind))
        codes = _clip(g, g.op("QuantizeLinear", x, scale, zero), low, high)
        return g.op("DequantizeLinear", codes, scale, zero)


class _Weight(torch.autograd.Function):
    """Stored codes, Clip, DequantizeLinear."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, scales: Tensor, bits: int, channels: int) -> Tensor:
        column = scales.reshape(-1, *[1] * (codes.dim() - 1)) if channels else scales
        return codes.to(scales.dtype) * column

    @staticmethod
    def symbolic(g: Any, codes: Any, scales: Any, bits: int, channels: int) -> Any:
        codes = _clip(g, codes, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        shape = (channels,) if channels else ()
        zero = g.op("Constant", value_t=torch.zeros(shape, dtype=torch.int8))
        if not channels:
            return g.op("DequantizeLinear", codes, scales, zero)
        return g.op("DequantizeLinear", codes, scales, zero, axis_i=0)


def activation(x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """Fake-quantized x; its codes in an export."""
    result: Tensor = _Activation.apply(x, _constant(scale).reshape(()), low, high)
    return result


def weight(layer: QuantizedWeight) -> Tensor:
    """Q(w) with the gain; its codes in an export."""
    quantizer = layer.weight_quantizer
    if quantizer.step != 1:
        raise ValueError(
            "module: the odd levels of the liq quantizer have no form in ONNX; use lsq or tied"
        )
    scales = _constant(quantizer.scales(layer.weight))
    size = int(scales.numpy().size)  # while tracing, tensors' own sizes are tensors
    channels = size if size > 1 else 0
    codes = _constant(layer.codes())
    result: Tensor = _Weight.apply(
        codes, scales if channels else scales.reshape(()), quantizer.bits, channels
    )
    return result
