"""What `campaign` is given, as the keys and values of a plan (docs/campaigns.md)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from flatenn import _core, _toml
from flatenn._arguments import choice, describe, integer, integers, number, numbers, text, texts
from flatenn._fault_model import KINDS, FaultModel
from flatenn._images import Images, images_for
from flatenn._network import Network, load

Networks = (
    Network | str | os.PathLike[str] | Sequence["Network | str | os.PathLike[str]"]
    | Mapping[str, "Network | str | os.PathLike[str]"]
)  # fmt: skip


def told_path(net: Network, folder: str) -> str:
    """Where results say that a network came from."""
    told = net.path or f"{net.name or 'network'}.onnx"
    return told if folder == "." else os.path.abspath(told)


def networks_of(networks: Networks) -> list[Network]:
    if isinstance(networks, (Network, str, os.PathLike)):
        return [_network("networks", networks)]
    if isinstance(networks, Mapping):
        for key in networks:
            text("networks key", key)
        return [
            _named(key, _network(f"networks[{key!r}]", net)) for key, net in networks.items()
        ]
    if not isinstance(networks, Sequence):
        raise TypeError(f"networks: expected a Network or several, got {describe(networks)}")
    if not networks:
        raise ValueError("networks: name at least one")
    return [_network(f"networks[{i}]", net) for i, net in enumerate(networks)]


def _named(key: str, net: Network) -> Network:
    """Results call a network by its own name where its metadata say which flatenn made it."""
    return net.named(key, {"version": _core.version(), **net.metadata})


def _network(name: str, value: object) -> Network:
    if isinstance(value, Network):
        return value
    if isinstance(value, (str, os.PathLike)):
        return load(value)
    raise TypeError(f"{name}: expected a Network or a path, got {describe(value)}")


def kinds_of(kinds: str | Iterable[str] | None, model: FaultModel | None) -> list[str]:
    """Kinds of a plan's cells; none where the model's sources name theirs."""
    follows = model is None or model._follows_kind
    if kinds is None:
        return ["bit_flip" if model is None else model.kind] if follows else []
    names = texts("kinds", kinds)
    for i, kind in enumerate(names):
        choice(f"kinds[{i}]", kind, KINDS)
    _some("kinds", names)
    if not follows:
        raise ValueError("kinds: the model's sources name the kinds of their faults")
    return names


def levels_of(
    rates: float | Iterable[float] | None, counts: int | Iterable[int] | None
) -> dict[str, Any]:
    if rates is not None and counts is not None:
        raise ValueError("counts: contradicts rates; give one")
    if rates is not None:
        return {"rates": _some("rates", numbers("rates", rates, 0.0, 1.0))}
    if counts is not None:
        return {"counts": _some("counts", integers("counts", counts, 0, 2**62))}
    return {}


def _some(name: str, values: list[Any]) -> list[Any]:
    if not values:
        raise ValueError(f"{name}: name at least one")
    if len(set(values)) != len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"{name}: {twice} stands twice")
    return values


def of_named_data(data: object, split: str, first: int) -> dict[str, Any]:
    """Which of its images; other data come as the caller chose them."""
    choice("split", split, ("test", "train"))
    integer("first_images", first)
    told = {"split": None if split == "test" else split, "first_images": first or None}
    for name, value in told.items():
        if value is not None and not (data is None or isinstance(data, str)):
            raise ValueError(f"{name}: is of data sets that are named; pass the images themselves")
    return told


def further(
    name: str, settings: Mapping[str, Any] | None, plan: Mapping[str, Any]
) -> dict[str, Any]:
    """Keys of a plan that are no arguments."""
    if settings is None:
        return {}
    if isinstance(settings, Mapping):  # None stands for a key that is not there
        settings = {key: item for key, item in settings.items() if item is not None}
    told = _toml.table(name, settings)
    for key in told:
        if key in plan or key in ("rates", "counts", "kinds", "images_per_trial"):
            raise ValueError(f"{name}: {key!r} is an argument of campaign")
    return told


def share(name: str, value: float | None) -> float | None:
    return None if value is None else number(name, value, 0.0, 1.0)


def images_of_a_trial(images: str | int) -> dict[str, Any]:
    if isinstance(images, str):
        if images not in ("all", "auto"):
            raise ValueError(f'images: expected "all", "auto" or a number, got {images!r}')
        return {"images": None if images == "all" else images}
    return {"images_per_trial": integer("images", images, 1)}


def fitting(
    nets: list[Network], data: Any, mean: npt.ArrayLike | None, std: npt.ArrayLike | None
) -> Images:
    """One set of images for all networks; a generator is read once."""
    images = images_for(nets[0], data, mean, std, labelled=True)
    for i, net in enumerate(nets[1:], 1):
        images = images_for(net, images, labelled=True, argument=f"data (for networks[{i}])")
    return images
