"""Layers whose weights and activations are quantized while they train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flatenn.torch import export
from flatenn.torch.quantizers import ActivationQuantizer, WeightQuantizer


class QuantizedWeight(nn.Module):
    """What QuantConv2d and QuantLinear share: a latent `weight`, its quantizer, and what training
    adds to the quantizer's output."""

    weight: Tensor
    weight_quantizer: WeightQuantizer

    def _quantize_weights(self, bits: int, quantizer: str, options: dict[str, Any]) -> None:
        self.weight_quantizer = WeightQuantizer(self.weight, bits, quantizer, **options)
        #: Added to Q(w) where set: sharpness-aware training's leaf.
        self.perturbation: Tensor | None = None
        #: Codes that stand in place of the weight's own where set: what a faulty memory holds.
        self.faulty_codes: Tensor | None = None
        self.keep_quantized_weight = False
        #: Q(w) of the last forward pass, detached, where keep_quantized_weight is set.
        self.quantized_weight: Tensor | None = None

    def effective_weight(self) -> Tensor:
        """What multiplies the layer's input."""
        if torch.onnx.is_in_onnx_export():
            return export.weight(self)
        quantizer = self.weight_quantizer
        if self.faulty_codes is None:
            q = quantizer(self.weight)
        else:
            q = quantizer.forward_faulty(self.weight, self.faulty_codes)
        if self.keep_quantized_weight:
            self.quantized_weight = q.detach()
        if self.perturbation is not None:
            q = q + self.perturbation
        gain = self.weight_quantizer.gain
        result: Tensor = q if gain is None else q * gain
        return result

    def codes(self) -> Tensor:
        """Codes of the current weight, int8, of its shape."""
        return self.weight_quantizer.codes(self.weight)


class QuantConv2d(nn.Conv2d, QuantizedWeight):
    """torch.nn.Conv2d whose weights are quantized.

    :param bits: of a weight, 2..8.
    :param quantizer: "lsq", "tied" or "liq" (:class:`WeightQuantizer`).
    :param per_channel, tied_factor, keep_spread: as there.

    Other arguments are torch.nn.Conv2d's.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, *args: Any, bits: int = 4,
        quantizer: str = "lsq", per_channel: bool = False, tied_factor: float = 0.0,
        keep_spread: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, *args, **kwargs)
        options = {"per_channel": per_channel, "tied_factor": tied_factor,
                   "keep_spread": keep_spread}  # fmt: skip
        self._quantize_weights(bits, quantizer, options)

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self._conv_forward(input, self.effective_weight(), self.bias)
        return result


class QuantLinear(nn.Linear, QuantizedWeight):
    """torch.nn.Linear whose weights are quantized; arguments as :class:`QuantConv2d`'s."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, bits: int = 4,
        quantizer: str = "lsq", per_channel: bool = False, tied_factor: float = 0.0,
        keep_spread: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(in_features, out_features, bias, **kwargs)
        options = {"per_channel": per_channel, "tied_factor": tied_factor,
                   "keep_spread": keep_spread}  # fmt: skip
        self._quantize_weights(bits, quantizer, options)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.effective_weight(), self.bias)


class _QuantActivation(ActivationQuantizer):
    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return export.activation(x, self.scale(), self.low, self.high)
        return super().forward(x)


class QuantReLU(_QuantActivation):
    """ReLU and quantizer in one: unsigned codes, clamped at 0 and at the learned clip."""

    def __init__(self, bits: int = 4, fatrelu: float = 0.0) -> None:
        super().__init__(bits, signed=False, fatrelu=fatrelu)


class QuantIdentity(_QuantActivation):
    """A quantizer of signed values: outputs of a down-sampling branch, of a linear layer."""

    def __init__(self, bits: int = 8) -> None:
        super().__init__(bits, signed=True)


class QuantInput(nn.Module):
    """Quantizes the image: signed codes, a fixed scale.

    :param scale: real value of code 1: the largest absolute value of a normalized pixel
        over 127 wastes nothing.
    """

    scale_: Tensor

    def __init__(self, scale: float, bits: int = 8) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"scale: must be positive, got {scale}")
        self.bits, self.low, self.high = bits, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.register_buffer("scale_", torch.full((1,), scale))

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return export.activation(x, self.scale_, self.low, self.high)
        return (x / self.scale_).clamp(self.low, self.high).round() * self.scale_


def quantized_layers(model: nn.Module) -> Iterator[tuple[str, QuantizedWeight]]:
    """Names and layers with quantized weights, in the order of the model's modules."""
    for name, module in model.named_modules():
        if isinstance(module, QuantizedWeight):
            yield name, module
