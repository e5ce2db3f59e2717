"""Writes the few TOML values that plans are made of: JSON's texts and arrays are TOML's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def value(item: Any) -> str:
    """One value, tables inline."""
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {value(v)}" for k, v in item.items()) + "}"
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(value(part) for part in item) + "]"
    if isinstance(item, float):
        return repr(item)
    try:
        return json.dumps(item, ensure_ascii=True)
    except TypeError:
        raise TypeError(
            f"settings: a {type(item).__name__} is no value of a plan (text, number, list, table)"
        ) from None


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if plain else json.dumps(name)


def document(items: Mapping[str, Any]) -> str:
    """Keys with their values, one a line; None stands for a key that is not there."""
    return "".join(f"{_key(k)} = {value(v)}\n" for k, v in items.items() if v is not None)
