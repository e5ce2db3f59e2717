"""The weights of a torch module as a memory holds them, for tasks whose networks flatenn does not
run: detection, segmentation, regression, anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flatenn import _core
from flatenn._arguments import expect, expect_numbers, integer, text, texts
from flatenn._network import Network
from flatenn._optional import need

if TYPE_CHECKING:
    from torch import nn

#: Name, codes [out, in, height, width], bits, scales ([1] or [out]), odd values, linear.
Tensor = tuple[str, npt.NDArray[np.int8], int, npt.NDArray[np.float32], bool, bool]


def memory_from_torch(
    module: nn.Module,
    *,
    bits: int = 8,
    per_channel: bool = True,
    layers: str | Iterable[str] | None = None,
    name: str | None = None,
) -> Network:
    """The weights of a torch module as stored words, whatever the module computes: maps can be
    drawn for it, and :func:`flatenn.apply_to_torch` puts them into the module::

        memory = flatenn.memory_from_torch(detector)
        faults = flatenn.FaultMap.draw(memory, rate=1e-4, seed=7)
        with flatenn.apply_to_torch(detector, faults):
            precision = my_evaluation(detector)

    Weights of convolutions and linear layers are stored, in the order of the module's parts, each
    layer under its path. Those of flatenn.torch's layers are stored as the codes that they trained;
    float ones as codes round(w / s) with s = max|w| / (2^(bits - 1) - 1). Biases, and what other
    layers hold, are not stored. The network cannot run (`network.runs` is False).

    :param module: on any device; stays as it is.
    :param bits: of a float weight's code, 2..8.
    :param per_channel: one scale an output channel for float weights (transposed convolutions have
        one for all).
    :param layers: paths of the layers that are stored; by default all.
    :param name: by default the name of the module's class.
    :raises ValueError: where no layer is left, or a path is none.
    """
    need("torch", "memory_from_torch", "torch")
    from torch import nn

    expect("module", module, nn.Module, "a torch module")
    expect_numbers(module)
    width = integer("bits", bits, 2, 8)
    expect("per_channel", per_channel, bool, "True or False")
    told = type(module).__name__ if name is None else text("name", name)
    found = stored_layers(module)
    chosen = list(found) if layers is None else texts("layers", layers)
    for path in chosen:
        if path not in found:
            raise ValueError(f"layers: {path!r} is none of {', '.join(found) or 'no layers'}")
    if not chosen:
        raise ValueError("module: has no convolutions or linear layers that could be stored")
    tensors = [
        _tensor(path, part, width, per_channel) for path, part in found.items() if path in chosen
    ]
    return Network(_core.Network.of_memory(told, tensors))


def stored_layers(module: nn.Module) -> dict[str, Any]:
    """Convolutions and linear layers by their paths; of those that share a weight, the first."""
    from torch import nn
    from torch.nn.modules.conv import _ConvNd

    found: dict[str, Any] = {}
    seen: dict[int, Any] = {}  # the weights too, so that their ids stay theirs
    for path, part in module.named_modules():
        if not isinstance(part, (_ConvNd, nn.Linear)):
            continue
        weight = part.weight
        if id(weight) not in seen:
            seen[id(weight)] = weight
            found[path] = part
    return found


def memory_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """[out, in, height, width] of a weight with two to five extents."""
    out, inputs, *kernel = shape
    return out, inputs, int(np.prod(kernel[:-1])), int(np.prod(kernel[-1:]))


def quantized_tensor(path: str, layer: Any) -> Tensor:
    """A layer of flatenn.torch, as it trained."""
    from torch import nn

    quantizer = layer.weight_quantizer
    codes = layer.codes().cpu().numpy()
    scales = quantizer.scales(layer.weight).cpu().numpy().astype(np.float32).reshape(-1)
    linear = isinstance(layer, nn.Linear)
    return (
        path, np.ascontiguousarray(codes.reshape(memory_shape(codes.shape))), quantizer.bits, scales,
        quantizer.step == 2, linear,
    )  # fmt: skip


def _tensor(path: str, layer: Any, bits: int, per_channel: bool) -> Tensor:
    from torch import nn

    if hasattr(layer, "weight_quantizer"):
        return quantized_tensor(path, layer)
    weight = layer.weight.detach().cpu().double().numpy()
    if not np.isfinite(weight).all():
        raise ValueError(f"module: {path}.weight holds numbers that are not finite")
    weight = weight.reshape(memory_shape(weight.shape))
    most = 2 ** (bits - 1) - 1
    by_channel = per_channel and not getattr(layer, "transposed", False)
    size = np.abs(weight)
    peaks = size.max(axis=(1, 2, 3)) if by_channel else size.max().reshape(1)
    scales = (np.where(peaks > 0, peaks, 1) / most).astype(np.float32)
    codes = np.rint(weight / scales.astype(np.float64).reshape(-1, 1, 1, 1)).clip(-most, most)
    linear = isinstance(layer, nn.Linear)
    return path, np.ascontiguousarray(codes.astype(np.int8)), bits, scales, False, linear
