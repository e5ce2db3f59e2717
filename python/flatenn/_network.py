"""Frozen integer networks."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flatenn import _core
from flatenn._arguments import NotThere, choice, expect, integer, path, text_mapping
from flatenn._arguments import text as checked_text
from flatenn._table import Table

if TYPE_CHECKING:
    from flatenn._faults import FaultMap
    from flatenn._images import ImagesLike

ENGINES = ("reference", "cpu", "lanes", "onednn", "cuda")
#: What the library starts at most.
MOST_THREADS = 1024


class Network:
    """A frozen integer network: what an accelerator stores and computes. It never changes.

    Made by :func:`flatenn.load`, :func:`flatenn.from_torch` and :meth:`with_faults`. Pickles with
    all it holds; safe to use from several threads.
    """

    def __init__(
        self, core: _core.Network, path: str = "", fault_map: FaultMap | None = None
    ) -> None:
        expect("core", core, _core.Network, "a network; use flatenn.load(path)")
        self._core = core
        self._path = path
        self._fault_map = fault_map
        self._comparison: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The name that its file gives it."""
        return self._core.name

    @property
    def path(self) -> str:
        """The file it was read from; "" where it came another way."""
        return self._path

    @property
    def metadata(self) -> dict[str, str]:
        """Free texts that travel with the model: "dataset", "recipe", "quantizer", ..."""
        return dict(self._core.metadata)

    @property
    def hash(self) -> str:
        """SHA-256 of all that decides its results: 64 hex digits. Equal for equal networks."""
        return self._core.hash

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self._core.input_shape

    @property
    def classes(self) -> int:
        """Number of logits of an image."""
        return self._core.classes

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what it gives for an image: (classes, 1, 1), or a map."""
        return self._core.output_shape

    @property
    def runs(self) -> bool:
        """Whether it can run images; not where it holds weights alone
        (:func:`flatenn.memory_from_torch`), which raises :class:`flatenn.Error` where that
        matters."""
        return self._core.runs

    @property
    def weight_bits(self) -> int:
        """Bits of its weight memory: what a bit error rate is a share of."""
        return self._core.weight_bits

    @property
    def fault_map(self) -> FaultMap | None:
        """The map whose faults it holds, where :meth:`with_faults` made it."""
        return self._fault_map

    @property
    def comparison(self) -> dict[str, float]:
        """Where :func:`flatenn.from_torch` made it: images, same_top1 (share of them) and
        largest_difference of logits (as a share of their range). Else empty."""
        return dict(self._comparison)

    @property
    def layers(self) -> Table:
        """One row a layer, in the order in which they run.

        Columns: name (in the file: of networks of from_torch, the node of the exported graph, such as
        "/1/Conv"), kind ("conv", "linear", "max-pool", ...), input_shape and output_shape
        (C, H, W), weights (stored ones), bits (of each), input_bits, output_bits, relu, macs (of
        one image). Of weights alone, what flows between layers is None.
        """
        return Table(self._core.layers())

    @property
    def activations(self) -> Table:
        """One row a tensor between layers; row 0 is the image, the last one the logits.

        Columns: name, shape (C, H, W), bits, signed, scale, zero_point, float.
        """
        return Table(self._core.activations())

    def weights(self, layer: str | int) -> npt.NDArray[np.int8]:
        """Stored weight codes of a layer, [out, in, height, width], int8; a view, not writable."""
        return self._core.weights(self._layer(layer))

    def bias(self, layer: str | int) -> npt.NDArray[np.int32]:
        """Stored biases of a layer, [out], int32, in units of input scale times weight scale."""
        return self._core.bias(self._layer(layer))

    def scales(self, layer: str | int) -> npt.NDArray[np.float32]:
        """Real value of a weight code's step: [1] or [out], float32."""
        return self._core.scales(self._layer(layer))

    def dequantized(self, layer: str | int) -> npt.NDArray[np.float32]:
        """Real weights that the codes of a layer stand for, [out, in, height, width], float32."""
        index = self._layer(layer)
        values = self._core.weights(index).astype(np.float32)
        zero = self._core.zero_points(index)
        if zero:
            values -= np.array(zero, np.float32).reshape(-1, 1, 1, 1)
        if self._core.odd_values(index):
            values = 2 * values + 1
        return values * self._core.scales(index).reshape(-1, 1, 1, 1)

    def run(
        self,
        images: ImagesLike,
        *,
        mean: npt.ArrayLike | None = None,
        std: npt.ArrayLike | None = None,
        engine: str = "cpu",
        threads: int = 0,
    ) -> npt.NDArray[np.float32]:
        """Logits of all images, [N, classes], float32; [N, C, H, W] where the network gives a map.

        :param images: [N, C, H, W] of uint8 pixels or of float32 (what the network was trained
            on: normalized pixels), an array, a torch tensor, :class:`flatenn.Images`, or the name
            of a data set.
        :param mean, std: per channel, of pixel / 255: normalize uint8 pixels where the network's
            metadata name no data set that does.
        :param engine: "cpu" (the fastest of the next three), "lanes", "onednn", "reference",
            "cuda". All give the same bits.
        :param threads: 1 to 1024; 0 takes all cores.
        :raises TypeError, ValueError: naming the argument that does not fit.
        """
        engine, threads = _engine(engine, threads)
        logits = _core.run(self._core, self._images(images, mean, std), engine, threads)
        shape = self._core.output_shape
        return logits if shape[1:] == (1, 1) else logits.reshape(-1, *shape)

    def codes(
        self,
        images: ImagesLike,
        activation: str | int = 0,
        *,
        mean: npt.ArrayLike | None = None,
        std: npt.ArrayLike | None = None,
        engine: str = "cpu",
        threads: int = 0,
    ) -> npt.NDArray[np.int16]:
        """Codes of one tensor between layers for all images, [N, C, H, W], int16.

        :param activation: its name or number in :attr:`activations`, or the name of the layer that
            writes it; 0 is the image. Logits have no codes (ValueError).
        """
        engine, threads = _engine(engine, threads)
        core = self._images(images, mean, std)
        index = self._activation(activation)
        return _core.codes(self._core, core, index, engine, threads)

    def evaluate(
        self,
        data: ImagesLike,
        *,
        mean: npt.ArrayLike | None = None,
        std: npt.ArrayLike | None = None,
        engine: str = "cpu",
        threads: int = 0,
    ) -> dict[str, Any]:
        """Accuracy on labelled images: {"images", "correct", "accuracy" in [0, 1], "loss" (mean
        cross-entropy)}. `data` is (images, labels) or anything that :meth:`flatenn.campaign`
        takes."""
        from flatenn._images import images_for

        engine, threads = _engine(engine, threads)
        core = images_for(self, data, mean, std, labelled=True)._core
        return _core.evaluate(self._core, core, engine, threads)

    def with_faults(self, fault_map: FaultMap) -> Network:
        """The network as a memory with these faults holds it; this one stays as it is."""
        from flatenn._faults import FaultMap

        expect("fault_map", fault_map, FaultMap, "a FaultMap")
        return fault_map._apply(self)

    def named(self, name: str, metadata: Mapping[str, str] | None = None) -> Network:
        """The same network under another name, with these metadata (by default its own)."""
        kept = self.metadata if metadata is None else text_mapping("metadata", metadata)
        renamed = self._core.with_metadata(checked_text("name", name), kept)
        copy = Network(renamed, self._path, self._fault_map)
        copy._comparison = self._comparison
        return copy

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an ONNX file that any ONNX runtime runs. Errors name what it cannot hold."""
        from flatenn._arguments import path as checked

        self._core.save(checked("path", path))

    def _images(
        self, images: Any, mean: npt.ArrayLike | None, std: npt.ArrayLike | None
    ) -> _core.Images:
        from flatenn._images import images_for

        return images_for(self, images, mean, std, labelled=False)._core

    def _layer(self, layer: str | int) -> int:
        rows = self._core.layers()
        if isinstance(layer, str):
            for index, row in enumerate(rows):
                if row["name"] == layer:
                    return index
            raise NotThere(f"layer: {layer!r} is none of {', '.join(r['name'] for r in rows)}")
        index = integer("layer", layer, -len(rows), len(rows) - 1)
        return index % len(rows)

    def _activation(self, activation: str | int) -> int:
        rows = self._core.activations()
        if isinstance(activation, str):
            for index, row in enumerate(rows):
                if row["name"] == activation:
                    break
            else:
                layers = [row["name"] for row in self._core.layers()]
                if activation not in layers:
                    names = dict.fromkeys([row["name"] for row in rows] + layers)
                    raise NotThere(f"activation: {activation!r} is none of {', '.join(names)}")
                index = self._core.output_of(layers.index(activation))
        else:
            index = integer("activation", activation, -len(rows), len(rows) - 1) % len(rows)
        if rows[index]["float"]:
            raise ValueError("activation: logits are float and have no codes; use run()")
        return index

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        rows = self._core.layers()
        stored = sum(row["weights"] for row in rows)
        flow = f"{_times(self.input_shape)} -> {_times(self.output_shape)}, " if self.runs else ""
        faulty = "" if self._fault_map is None else f", {len(self._fault_map)} faults"
        return (
            f"<flatenn.Network {self.name!r}: {flow}{len(rows)} layers, "
            f"{stored} weights in {self.weight_bits} bits{faulty}>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self)[1:-1])}</p>{self.layers._repr_html_()}"


def _times(shape: tuple[int, ...]) -> str:
    """"3x32x32"; a vector by its length."""
    return "x".join(str(extent) for extent in (shape[:1] if shape[1:] == (1, 1) else shape))


def _engine(engine: str, threads: int) -> tuple[str, int]:
    if not (isinstance(engine, str) and engine.startswith("cuda:")):  # "cuda:1", read by the core
        engine = choice("engine", engine, ENGINES)
    return engine, integer("threads", threads, 0, MOST_THREADS)


def load(
    path_to_model: str | os.PathLike[str], /, *, weight_bits: int = 0
) -> Network:
    """Reads a quantized network from an ONNX file (QDQ, QOperator or QONNX form), a TensorFlow Lite
    file, or the run folder of ``flatenn train``.

    :param weight_bits: bits of every layer's stored weights where the file's type holds more than
        its codes use; 0: what the file says.
    :raises FileNotFoundError: where there is no such file.
    :raises flatenn.Error: naming the node that cannot be kept, and why.
    """
    text = path("path", path_to_model, exists=True)
    bits = integer("weight_bits", weight_bits, 0, 8)
    return Network(_core.Network.load(text, bits), text)
