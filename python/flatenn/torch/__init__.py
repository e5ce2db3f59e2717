"""Quantizers, quantized layers and sharpness-aware optimizers for users' own PyTorch loops.

The same formulas as flatenn's C++ training (docs/quantization.md, docs/saq.md), equal to it to
rounding. Needs PyTorch, and nothing of flatenn's C++ but fault maps.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as _error:  # pragma: no cover - told in one line
    raise ImportError(
        "flatenn.torch needs PyTorch, which is not installed here: pip install torch"
    ) from _error

from flatenn.torch.faults import RandBET, random_bit_errors
from flatenn.torch.modules import (
    QuantConv2d,
    QuantIdentity,
    QuantInput,
    QuantLinear,
    QuantReLU,
)
from flatenn.torch.quantizers import ActivationQuantizer, WeightQuantizer, fake_quantize
from flatenn.torch.sharpness import SAQ, parameter_groups

__all__ = [
    "SAQ",
    "ActivationQuantizer",
    "QuantConv2d",
    "QuantIdentity",
    "QuantInput",
    "QuantLinear",
    "QuantReLU",
    "RandBET",
    "WeightQuantizer",
    "fake_quantize",
    "parameter_groups",
    "random_bit_errors",
]
