"""Writes the few TOML values that plans are made of: JSON's texts and arrays are TOML's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from flatenn._arguments import describe


def table(name: str, item: object) -> dict[str, Any]:
    """A mapping of `name` as plain values; NumPy's numbers and arrays, and paths, are welcome.
    TypeError names what no plan can hold."""
    if not isinstance(item, Mapping):
        raise TypeError(f"{name}: expected a mapping of keys to values, got {describe(item)}")
    for key in item:
        if not isinstance(key, str):
            raise TypeError(f"{name}: expected texts as keys, got {describe(key)}")
    return {key: _plain(f"{name}.{key}", part) for key, part in item.items()}


def _plain(name: str, item: Any) -> Any:
    if isinstance(item, (np.generic, np.ndarray)):
        item = item.tolist()
    if isinstance(item, Mapping):
        return table(name, item)
    if isinstance(item, (list, tuple)):
        return [_plain(f"{name}[{i}]", part) for i, part in enumerate(item)]
    if isinstance(item, os.PathLike):
        item = os.fspath(item)
    if not isinstance(item, (str, bool, int, float)):
        raise TypeError(f"{name}: expected a text, number, list or table, got {describe(item)}")
    return item


def value(item: Any) -> str:
    """One value, tables inline."""
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {value(v)}" for k, v in item.items()) + "}"
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(value(part) for part in item) + "]"
    if isinstance(item, float):
        return repr(item)
    return json.dumps(item, ensure_ascii=True)


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if plain else json.dumps(name)


def document(items: Mapping[str, Any]) -> str:
    """Keys with their values, one a line; None stands for a key that is not there."""
    return "".join(f"{_key(k)} = {value(v)}\n" for k, v in items.items() if v is not None)
