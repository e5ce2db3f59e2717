"""Fault models: what decides which faults a stored network meets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flatenn import _core, _toml
from flatenn._arguments import choice, describe, expect, integers, path, texts

KINDS = ("bit_flip", "stuck_at_0", "stuck_at_1")
ENCODINGS = ("twos_complement", "offset_binary", "gray", "sign_magnitude", "differential_pair")


class FaultModel:
    """What decides which faults a stored network meets, but rate, seed and trial.

    Without `sources`, single bits of the weights are faulty with the rate that a map is drawn at.

    :param kind: "bit_flip", "stuck_at_0" or "stuck_at_1", for sources that name none.
    :param encoding: how codes are written into stored words: "twos_complement",
        "offset_binary", "gray", "sign_magnitude", "differential_pair".
    :param layers, spare: only these layers; all but these.
    :param bits: only these bit positions; 0 is the least significant, -1 each word's top bit.
    :param biases: 32-bit biases are faulty too.
    :param sources: instead of layers, spare, bits and biases: several causes of faults, each a
        mapping with the keys of ``[[faults]]`` (target, unit, kind, rate, ...).
    :param array: ``{"rows": 128, "columns": 128, "bits_per_cell": 1, ...}``: needed by rows,
        columns and cells.
    :param protection: ``{"code": "secded", "hardened_bits": 1, ...}``.
    :param folder: where `sources` find the files that they name.

    Keys and values are those of docs/faults.md. Errors name what is wrong. Pickles.
    """

    def __init__(
        self,
        kind: str = "bit_flip",
        *,
        encoding: str = "twos_complement",
        layers: str | Iterable[str] = (),
        spare: str | Iterable[str] = (),
        bits: int | Iterable[int] = (),
        biases: bool = False,
        sources: Sequence[Mapping[str, Any]] = (),
        array: Mapping[str, Any] | None = None,
        protection: Mapping[str, Any] | None = None,
        folder: str | os.PathLike[str] = ".",
    ) -> None:
        expect("biases", biases, bool, "True or False")
        memory: dict[str, Any] = {"encoding": choice("encoding", encoding, ENCODINGS)}
        if array is not None:
            memory["array"] = _toml.table("array", array)
        if isinstance(sources, (str, Mapping)) or not isinstance(sources, Iterable):
            raise TypeError(f"sources: expected a list of mappings, got {describe(sources)}")
        plan: dict[str, Any] = {
            "layers": texts("layers", layers) or None,
            "spare": texts("spare", spare) or None,
            "bits": integers("bits", bits, -32, 31) or None,
            "biases": biases or None,
            "memory": memory,
            "faults": [_toml.table(f"sources[{i}]", s) for i, s in enumerate(sources)] or None,
            "protection": None if protection is None else _toml.table("protection", protection),
        }
        self._start(_toml.document(plan), choice("kind", kind, KINDS), path("folder", folder))

    @classmethod
    def from_toml(
        cls,
        text: str,
        *,
        kind: str = "bit_flip",
        folder: str | os.PathLike[str] = ".",
    ) -> FaultModel:
        """From a plan's tables (docs/faults.md), as text."""
        self = cls.__new__(cls)
        expect("text", text, str, "TOML text")
        self._start(text, choice("kind", kind, KINDS), path("folder", folder))
        return self

    def _start(self, toml: str, kind: str, folder: str) -> None:
        self._toml, self._kind, self._folder = toml, kind, os.path.abspath(folder)
        self._core = _core.FaultModel.read(toml, kind, self._folder)
        #: Whether some source names no kind.
        self._follows_kind = _core.FaultModel.read(toml, "", self._folder).follows_kind

    @property
    def kind(self) -> str:
        """The kind of sources that name none."""
        return self._kind

    @property
    def encoding(self) -> str:
        """How codes are written into stored words."""
        return self._core.encoding

    @property
    def follows_rate(self) -> bool:
        """Whether a rate decides how many faults there are."""
        return self._core.follows_rate

    def with_kind(self, kind: str) -> FaultModel:
        """The model with another kind in the sources that name none."""
        return FaultModel.from_toml(self._toml, kind=kind, folder=self._folder)

    def to_dict(self) -> dict[str, Any]:
        """Everything it says, in one canonical form: equal for equal models."""
        result: dict[str, Any] = json.loads(self._core.json())
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaultModel):
            return NotImplemented
        return self._core.json() == other._core.json()

    def __hash__(self) -> int:
        return hash(self._core.json())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_model, (self._toml, self._kind, self._folder)

    def __repr__(self) -> str:
        return f"<flatenn.FaultModel {self._core.describe()}>"


def _rebuild_model(toml: str, kind: str, folder: str) -> FaultModel:
    return FaultModel.from_toml(toml, kind=kind, folder=folder)


def model_for(model: FaultModel | None, kind: str | None) -> FaultModel:
    """`model`, or single bits of all weights, with another kind where one is given."""
    if model is None:
        return FaultModel("bit_flip" if kind is None else kind)
    expect("model", model, FaultModel, "a FaultModel")
    if kind is None:
        return model
    if not model._follows_kind:
        raise ValueError("kind: the model's sources name the kinds of their faults")
    return model.with_kind(kind)
