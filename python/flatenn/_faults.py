"""Fault maps: the faulty stored bits of a network in one trial."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flatenn import _core
from flatenn._arguments import array, describe, expect, file_to_write, integer, number, path
from flatenn._fault_model import KINDS, FaultModel, model_for
from flatenn._table import Table

if TYPE_CHECKING:
    import pandas as pd

    from flatenn._network import Network


class FaultMap:
    """The faulty stored bits of one network in one trial, at most one fault a bit.

    :attr:`layer`, :attr:`element`, :attr:`bit` and :attr:`kind` are arrays of one length, in the
    order of the memory. Made by :meth:`draw`, :meth:`of` and :meth:`load`. Pickles.
    """

    def __init__(
        self,
        network: Network,
        model: FaultModel | None,
        injector: _core.Injector,
        core: _core.FaultMap,
        origin: tuple[float, int, int] = (0.0, 0, 0),
    ) -> None:
        from flatenn._network import Network

        expect("network", network, Network, "a Network; use FaultMap.draw(network, ...)")
        self._network, self._model, self._injector = network, model, injector
        self._map, self._origin = core, origin
        self._columns = injector.columns(core, False)
        for column in self._columns.values():
            column.setflags(write=False)  # what was drawn is what is applied

    @classmethod
    def draw(
        cls,
        network: Network,
        *,
        rate: float | None = None,
        count: int | None = None,
        seed: int = 0,
        trial: int = 0,
        model: FaultModel | None = None,
        kind: str | None = None,
    ) -> FaultMap:
        """The map of one trial: a function of the arguments alone, on every machine.

        The map at a lower rate is a part of the map at a higher one.

        :param rate: probability that a stored bit is faulty, in [0, 1].
        :param count: exactly so many faults instead.
        :param seed, trial: decide every random choice; trial < 2**32.
        :param model: by default single bits of all weights.
        :param kind: "bit_flip" (default), "stuck_at_0" or "stuck_at_1".
        """
        model = model_for(model, kind)
        injector, rate = _injector(network, model, rate, count)
        seed, trial = integer("seed", seed, 0, 2**64 - 1), integer("trial", trial, 0, 2**32 - 1)
        core = injector.draw(rate, seed, trial)
        return cls(network, model, injector, core, (rate, seed, trial))

    @classmethod
    def of(
        cls,
        network: Network,
        *,
        layer: Any,
        element: Any,
        bit: Any,
        kind: Any = "bit_flip",
        is_bias: Any = False,
        model: FaultModel | None = None,
    ) -> FaultMap:
        """A map of given faults.

        :param layer: names or numbers of layers, one or one a fault.
        :param element: of the layer's weights, row-major in [out, in, height, width]; of its
            biases, the output channel.
        :param bit: 0 is the least significant.
        :param kind: names or numbers (0 flip, 1 stuck at 0, 2 stuck at 1), one or one a fault.
        :raises flatenn.Error: naming a site outside the memory, or one that stands twice.
        """
        from flatenn._network import Network

        expect("network", network, Network, "a Network")
        model = model_for(model, None)
        injector = _core.Injector(network._core, model._core)
        layers = _numbered("layer", layer, [row["name"] for row in network._core.layers()])
        kinds = _numbered("kind", kind, KINDS)
        columns = [
            ("layer", layers, np.int32),
            ("is_bias", _listed("is_bias", is_bias), np.uint8),
            ("element", _listed("element", element), np.int64),
            ("bit", _listed("bit", bit), np.int8),
            ("kind", kinds, np.uint8),
        ]
        sizes = [values.shape[0] for _, values, _ in columns if values.ndim]
        size = 0 if 0 in sizes else max(sizes, default=1)
        cast = [_column(name, values, dtype, size) for name, values, dtype in columns]
        return cls(network, model, injector, injector.make(*cast))

    @classmethod
    def _without_faults(cls, network: Network, model: FaultModel) -> FaultMap:
        injector = _core.Injector(network._core, model._core)
        core = injector.make(
            np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int64),
            np.zeros(0, np.int8), np.zeros(0, np.uint8),
        )  # fmt: skip
        return cls(network, model, injector, core)

    @classmethod
    def load(cls, network: Network, file: str | os.PathLike[str]) -> FaultMap:
        """From a file of :meth:`save` or ``flatenn faults draw``, or a chip's defect list."""
        from flatenn._network import Network

        expect("network", network, Network, "a Network")
        core, model = _core.read_map(network._core, path("file", file, exists=True))
        return cls(network, None, _core.Injector(network._core, model), core)

    @property
    def network(self) -> Network:
        """The network that it was drawn for."""
        return self._network

    @property
    def layer(self) -> npt.NDArray[np.int32]:
        """Index into :attr:`Network.layers` of each fault."""
        return self._columns["layer"]

    @property
    def is_bias(self) -> npt.NDArray[np.bool_]:
        """Whether each fault is in a bias word."""
        return self._columns["is_bias"].view(np.bool_)

    @property
    def element(self) -> npt.NDArray[np.int64]:
        """Row-major index of each fault's word within its tensor."""
        return self._columns["element"]

    @property
    def bit(self) -> npt.NDArray[np.int8]:
        """Bit position of each fault; 0 is the least significant."""
        return self._columns["bit"]

    @property
    def kind(self) -> npt.NDArray[np.uint8]:
        """0: bit flip, 1: stuck at 0, 2: stuck at 1 (``flatenn.FaultMap.KINDS[k]``)."""
        return self._columns["kind"]

    KINDS = KINDS

    @property
    def counts(self) -> dict[str, int]:
        """What the map does: drawn, landed, check_drawn, corrected, detected, missed, clipped."""
        return self._injector.counts(self._map)

    def table(self) -> Table:
        """One row a fault: layer (name), is_bias, element, bit, kind."""
        names = [row["name"] for row in self._network._core.layers()]
        return Table(
            [
                {"layer": names[a], "is_bias": bool(b), "element": c, "bit": d, "kind": KINDS[e]}
                for a, b, c, d, e in zip(
                    self.layer.tolist(), self.is_bias.tolist(), self.element.tolist(),
                    self.bit.tolist(), self.kind.tolist(),
                )  # fmt: skip
            ],
            ("layer", "is_bias", "element", "bit", "kind"),
        )

    def to_pandas(self) -> pd.DataFrame:
        """:meth:`table` as a pandas.DataFrame."""
        return self.table().to_pandas()

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes .json (with the memory that it was drawn for) or .csv (bits alone)."""
        text = file_to_write("file", file)
        extension = os.path.splitext(text)[1].lower()
        if extension not in (".json", ".csv"):
            raise ValueError(f"file: expected a name that ends in .json or .csv, got {text!r}")
        content = self._injector.to_text(self._map, extension, *self._origin)
        with open(text, "w", encoding="utf-8") as out:
            out.write(content)

    def _apply(self, network: Network) -> Network:
        from flatenn._network import Network

        if network != self._network:
            raise ValueError(
                f"fault_map: was drawn for another network ({self._network.name!r}, "
                f"{self._network.hash[:12]}), not for {network.name!r}, {network.hash[:12]}"
            )
        return Network(self._injector.faulty(self._map), network.path, self)

    def __len__(self) -> int:
        return len(self._map)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaultMap):
            return NotImplemented
        return self._network == other._network and self._map == other._map

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        model = self._model._core if self._model is not None else self._injector.model()
        check = self._injector.columns(self._map, True)
        return _rebuild_map, (
            self._network, self._model, model.memory_toml(), self._columns, check, self._origin,
        )  # fmt: skip

    def __repr__(self) -> str:
        rate, seed, trial = self._origin
        return (
            f"<flatenn.FaultMap of {self._network.name!r}: {len(self)} faults "
            f"(rate {rate:g}, seed {seed}, trial {trial})>"
        )

    def _repr_html_(self) -> str:
        names = [row["name"] for row in self._network._core.layers()]
        tally = Counter(zip(self.layer.tolist(), self.bit.tolist(), self.kind.tolist()))
        rows = [
            {"layer": names[a], "bit": b, "kind": KINDS[c], "faults": n}
            for (a, b, c), n in sorted(tally.items())
        ]
        table = Table(rows, ("layer", "bit", "kind", "faults"))
        return f"<p>{repr(self)[1:-1]}</p>{table._repr_html_()}"


def _injector(
    network: Network, model: FaultModel, rate: float | None, count: int | None
) -> tuple[_core.Injector, float]:
    from flatenn._network import Network

    expect("network", network, Network, "a Network")
    if rate is not None and count is not None:
        raise ValueError("count: contradicts rate; give one")
    for name, value in (("rate", rate), ("count", count)):
        if value is not None and not model.follows_rate:
            raise ValueError(f"{name}: the model's sources say how many faults there are")
    if rate is None and count is None and model.follows_rate:
        raise ValueError("rate: is missing; give a rate or a count")
    core = model._core
    if count is not None:
        core = core.with_count(integer("count", count))
    checked = 0.0 if rate is None else number("rate", rate, 0.0, 1.0)
    return _core.Injector(network._core, core), checked


def _listed(name: str, value: Any) -> npt.NDArray[Any]:
    """An array of a number or text, or a list of them; an empty list holds integers."""
    values = np.asarray(value) if isinstance(value, (str, bool)) else array(name, value)
    return values if values.size else values.astype(np.int64)


def _numbered(name: str, value: Any, names: Sequence[str]) -> npt.NDArray[Any]:
    """Names as their numbers."""
    values = _listed(name, value)
    if values.dtype.kind in "iu":
        for number in values[(values < 0) | (values >= len(names))].ravel()[:1].tolist():
            raise ValueError(f"{name}: {number} is none of the {len(names)}, which count from 0")
        return values
    if values.dtype.kind != "U":
        raise TypeError(f"{name}: expected names or integers, got {describe(value)}")
    known = {text: index for index, text in enumerate(names)}
    for text in np.unique(values).tolist():
        if text not in known:
            raise ValueError(f"{name}: {text!r} is none of {', '.join(names)}")
    numbers = [known[text] for text in values.ravel().tolist()]
    return np.array(numbers, np.int64).reshape(values.shape)


def _column(name: str, values: npt.NDArray[Any], dtype: Any, size: int) -> npt.NDArray[Any]:
    if values.dtype.kind not in "iub":
        raise TypeError(f"{name}: expected integers, got an array of {values.dtype}")
    if values.ndim > 1 or (values.ndim == 1 and len(values) not in (1, size)):
        raise ValueError(f"{name}: expected one number or {size}, got the shape {values.shape}")
    limits = np.iinfo(dtype)
    if values.size and (int(values.min()) < limits.min or int(values.max()) > limits.max):
        raise ValueError(f"{name}: holds {int(values.min())} to {int(values.max())}, which no "
                         "memory has")  # fmt: skip
    return np.ascontiguousarray(np.broadcast_to(values.astype(dtype), (size,)))


def _rebuild_map(
    network: Network,
    model: FaultModel | None,
    toml: str,
    columns: dict[str, Any],
    check: dict[str, Any],
    origin: tuple[float, int, int],
) -> FaultMap:
    core = model._core if model is not None else _core.FaultModel.read(toml, "", ".")
    injector = _core.Injector(network._core, core)
    rebuilt = injector.make(*(columns[k] for k in ("layer", "is_bias", "element", "bit", "kind")))
    if len(check["layer"]):
        injector.add_check_faults(
            rebuilt, *(check[k] for k in ("layer", "element", "bit", "kind"))
        )
    return FaultMap(network, model, injector, rebuilt, origin)
