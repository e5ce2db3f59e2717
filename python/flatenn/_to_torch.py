"""Faults of a map, in the parameters of the torch module that a network was made from."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flatenn._arguments import describe, expect, expect_numbers, first_line
from flatenn._faults import FaultMap
from flatenn._memory import memory_shape
from flatenn._network import Network
from flatenn._optional import need

if TYPE_CHECKING:
    import torch
    from torch import nn

#: Share of a layer's weights that may quantize to a code beside the network's: other tools round
#: a tie another way, or fold batch norm in another order.
_STRANGERS = 0.02


#: Modules in which a map's faults stand.
_FAULTY: weakref.WeakSet[nn.Module] = weakref.WeakSet()


class AppliedFaults:
    """Faults that stand in a torch module until :meth:`remove`; a context manager does so too."""

    def __init__(self, undo: list[Callable[[], None]], changed: dict[str, int]) -> None:
        self._undo = undo
        self._changed = changed

    @property
    def changed(self) -> dict[str, int]:
        """Number of changed elements by the name of the parameter."""
        return dict(self._changed)

    def remove(self) -> None:
        """Puts every parameter back to the last bit. Calling it again does nothing."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> AppliedFaults:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<flatenn.AppliedFaults {sum(self._changed.values())} elements changed>"


def apply_to_torch(
    module: nn.Module, fault_map: FaultMap, names: dict[str, str] | None = None
) -> AppliedFaults:
    """Changes the parameters of `module` that correspond to a map's faulty words, so that loops of
    one's own (detection, segmentation, anything) run on exact faults::

        with flatenn.apply_to_torch(module, fault_map):
            metric = my_evaluation(module)

    A weight whose code changed becomes the real value that its faulty code stands for; others stay
    as they are. With flatenn.torch's layers the product is exactly that of the faulty codes. Batch
    norm that the network has folded into its scales is taken out again.

    :param module: what the network was made from, on any device. Its convolutions and linear
        layers, in the order in which they run, have to be the network's: shapes and codes are
        compared. Those of :func:`flatenn.memory_from_torch` are found by their paths.
    :param names: layer of the network -> module path, where the order does not tell.

    The module runs one image of zeros to learn that order, so hooks of its own see one more pass.
    :returns: what undoes it.
    :raises ValueError: naming the layer whose module is missing or holds other weights.
    """
    need("torch", "apply_to_torch", "torch")
    import torch
    from torch import nn

    expect("module", module, nn.Module, "a torch module")
    expect("fault_map", fault_map, FaultMap, "a FaultMap")
    expect_numbers(module)
    golden = Network(fault_map._injector.network())
    faulty = Network(fault_map._injector.faulty(fault_map._map))
    pairs = _correspondence(module, golden, names or {})
    _expect_own_weights(pairs)
    undo: list[Callable[[], None]] = []
    changed: dict[str, int] = {}
    with torch.no_grad():
        for place in pairs:
            place.check(golden)
        try:
            for place in pairs:
                place.put(golden, faulty, undo, changed)
        except BaseException:
            AppliedFaults(undo, changed).remove()
            raise
    return AppliedFaults(undo, changed)


def _expect_own_weights(places: list[_Place]) -> None:
    """ValueError where two layers hold one parameter, which cannot hold the faults of both."""
    owners: dict[int, str] = {}
    for place in places:
        if place.quantized():
            continue  # faulty codes stand beside the parameter
        owner = owners.setdefault(id(place.module.weight), place.path)
        if owner != place.path:
            raise ValueError(
                f"module: {owner} and {place.path} share one weight, which the network stores twice; "
                "give each a copy of its own"
            )


class _Place:
    """One layer of the network and the module that holds its weights."""

    def __init__(self, layer: int, name: str, path: str, module: Any, norm: Any | None) -> None:
        self.layer, self.name, self.path, self.module, self.norm = layer, name, path, module, norm

    def factor(self) -> npt.NDArray[np.float64]:
        """gamma / sigma of the batch norm behind the layer, [out]; 1 without one."""
        if self.norm is None:
            return np.ones(1)
        if self.norm.running_var is None:
            raise ValueError(
                f"module: the batch norm behind {self.path} keeps no running statistics, so that no "
                "network can have folded it"
            )
        sigma = np.sqrt(_numpy(self.norm.running_var).astype(np.float64) + self.norm.eps)
        gamma = np.ones(1) if self.norm.weight is None else _numpy(self.norm.weight)
        factor: npt.NDArray[np.float64] = gamma.astype(np.float64) / sigma
        return factor

    def quantized(self) -> bool:
        return hasattr(self.module, "weight_quantizer")

    def check(self, golden: Network) -> None:
        """ValueError unless the module's weights are the network's."""
        codes = golden.weights(self.layer).astype(np.int64)
        if self.quantized():
            own = _numpy(self.module.codes()).reshape(codes.shape)
            strangers = float((own != codes).mean())
        else:
            row = golden.layers[self.layer]
            half = 2 ** (row["bits"] - 1)
            real = _numpy(self.module.weight).reshape(codes.shape).astype(np.float64)
            unit = golden.scales(self.layer).astype(np.float64) / self.factor()
            unit = np.broadcast_to(unit, (codes.shape[0],)).reshape(-1, 1, 1, 1)
            zero = np.array(golden._core.zero_points(self.layer) or [0]).reshape(-1, 1, 1, 1)
            step = 2 if golden._core.odd_values(self.layer) else 1
            own = (real / unit - (step - 1)) / step + zero
            # Half a step is the rounding; the rest, what float arithmetic moves.
            strangers = float((np.abs(own.clip(-half, half - 1) - codes) > 0.51).mean())
        if strangers > _STRANGERS:
            raise ValueError(
                f"module: {self.path}.weight is not what layer {self.name!r} of the network was "
                f"made from: {100 * strangers:.0f} % of its codes differ; is another module meant "
                "(names), or was it trained on since?"
            )

    def put(
        self, golden: Network, faulty: Network, undo: list[Callable[[], None]],
        changed: dict[str, int],
    ) -> None:  # fmt: skip
        if self.module in _FAULTY:
            raise ValueError(f"module: faults of another map stand in {self.path}; remove them first")
        _FAULTY.add(self.module)
        undo.append(lambda: _FAULTY.discard(self.module))
        before, after = golden.weights(self.layer), faulty.weights(self.layer)
        sites = np.flatnonzero(before.ravel() != after.ravel())
        if len(sites):
            changed[f"{self.path}.weight"] = len(sites)
            if self.quantized():
                self._put_codes(after, undo)
            else:
                real = faulty.dequantized(self.layer).astype(np.float64)
                factor = np.broadcast_to(self.factor(), (real.shape[0],)).reshape(-1, 1, 1, 1)
                _write(self.module.weight, sites, (real / factor).ravel()[sites], undo)
        self._put_biases(golden, faulty, undo, changed)

    def _put_codes(self, codes: npt.NDArray[np.int8], undo: list[Callable[[], None]]) -> None:
        import torch

        layer = self.module
        old = layer.faulty_codes
        value = torch.from_numpy(codes.copy()).to(layer.weight.device)
        layer.faulty_codes = value.reshape(layer.weight.shape)
        undo.append(lambda: setattr(layer, "faulty_codes", old))

    def _put_biases(
        self, golden: Network, faulty: Network, undo: list[Callable[[], None]],
        changed: dict[str, int],
    ) -> None:  # fmt: skip
        before, after = golden.bias(self.layer), faulty.bias(self.layer)
        channels = np.flatnonzero(before != after)
        if not len(channels):
            return
        target = self.module.bias if self.norm is None else self.norm.bias
        if target is None:
            raise ValueError(f"module: {self.path} has no bias to hold the faults of {self.name!r}")
        source = golden.activations[golden._core.input_of(self.layer)]["scale"]
        unit = np.broadcast_to(golden.scales(self.layer).astype(np.float64) * source, before.shape)
        moved = (after[channels].astype(np.float64) - before[channels]) * unit[channels]
        old = _numpy(target).astype(np.float64)[channels]
        _write(target, channels, old + moved, undo)
        changed[f"{self.path}.bias"] = len(channels)


def _numpy(tensor: Any) -> npt.NDArray[Any]:
    value = tensor.detach().cpu()
    array: npt.NDArray[Any] = (value.double() if value.is_floating_point() else value).numpy()
    return array


def _write(
    parameter: torch.Tensor, sites: Any, values: Any, undo: list[Callable[[], None]]
) -> None:
    """`sites` are row-major, however the parameter lies in memory."""
    import torch

    data = parameter.data
    places = np.unravel_index(sites, tuple(data.shape))
    index = tuple(torch.from_numpy(np.ascontiguousarray(p)).to(data.device) for p in places)
    old = data[index].clone()
    data[index] = torch.from_numpy(np.ascontiguousarray(values)).to(old)

    def back() -> None:
        data[index] = old

    undo.append(back)


def _correspondence(
    module: nn.Module, network: Network, names: dict[str, str]
) -> list[_Place]:
    """Layers that store weights beside the modules that hold them."""
    rows = [(i, row) for i, row in enumerate(network.layers) if row["weights"]]
    modules = dict(module.named_modules())
    if not network.runs:  # weights alone, which memory_from_torch named by their paths
        names = {row["name"]: row["name"] for _, row in rows} | names
    run, norms = _execution(module, network) if network.runs else ([], {})
    for layer, path in names.items():
        if path not in modules:
            said = "names" if network.runs or path != layer else "module"
            raise ValueError(f"{said}: {path!r} is no part of the module")
        if layer not in [row["name"] for _, row in rows]:
            raise ValueError(f"names: {layer!r} is no layer of the network that stores weights")
    free = [path for path in run if path not in names.values()]
    if len(free) + len(names) != len(rows):
        raise ValueError(
            f"module: runs {len(run)} convolutions and linear layers, the network has {len(rows)} "
            "layers with weights"
        )
    places, rest = [], iter(free)
    for index, row in rows:
        path = names[row["name"]] if row["name"] in names else next(rest)
        wanted: tuple[int, ...] = network.weights(index).shape
        got = tuple(_parameter(path, modules[path]).shape)
        if memory_shape(got) != wanted:
            raise ValueError(
                f"module: {path}.weight has the shape {got}, layer {row['name']!r} of the network "
                f"{wanted}; say which belongs to which (names)"
            )
        places.append(_Place(index, row["name"], path, modules[path], norms.get(path)))
    return places


def _parameter(path: str, module: Any) -> torch.Tensor:
    """Its weight, which can be written."""
    from torch import nn

    weight = getattr(module, "weight", None)
    if weight is None or weight.dim() < 2:
        raise ValueError(f"names: {path} is no convolution or linear layer")
    if not isinstance(weight, nn.Parameter):
        raise ValueError(
            f"module: {path}.weight is computed from other parameters (a parametrization); remove "
            "that first"
        )
    return weight


def _execution(module: nn.Module, network: Network) -> tuple[list[str], dict[str, Any]]:
    """Paths of convolutions and linear layers in the order in which they run, and the batch norm
    that reads each one's output."""
    import torch
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    run: list[str] = []
    norms: dict[str, Any] = {}
    writers: dict[int, str] = {}
    kept: list[Any] = []  # outputs stay alive, so that their ids stay theirs

    def hook(path: str) -> Callable[[Any, Any, Any], None]:
        def see(layer: Any, inputs: Any, output: Any) -> None:
            if isinstance(layer, _BatchNorm):
                before = writers.get(id(inputs[0]))
                if before is not None:
                    norms[before] = layer
                return
            if path in run:
                raise ValueError(f"module: {path} runs more than once; a network stores it once")
            run.append(path)
            writers[id(output)] = path
            kept.append(output)

        return see

    handles = [
        part.register_forward_hook(hook(path))
        for path, part in module.named_modules()
        if isinstance(part, (nn.Conv2d, nn.Linear, _BatchNorm))
    ]
    modes = [(part, part.training) for part in module.modules()]
    first = next(module.parameters(), None)
    if first is None:
        raise ValueError("module: has no parameters")
    try:
        module.eval()
        with torch.no_grad():
            module(torch.zeros((1, *network.input_shape), device=first.device, dtype=first.dtype))
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"module: cannot run an image of shape {network.input_shape}: "
            f"{describe(first_line(error))}"
        ) from error
    finally:
        for part, training in modes:
            part.training = training
        for handle in handles:
            handle.remove()
    return run, norms
