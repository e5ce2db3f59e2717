"""Checks of arguments. What they raise names the argument, what was expected and what came."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class NotThere(KeyError):
    """KeyError whose text is its message, without the quotes that KeyError puts around it."""

    def __str__(self) -> str:
        return str(self.args[0])


def describe(value: object) -> str:
    """A value in a few words, for messages."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{type(value).__name__} of {dtype} with shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}..."


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).splitlines()), "it says nothing more")


def expect(name: str, value: object, types: type | tuple[type, ...], wanted: str) -> None:
    """TypeError unless `value` is one of `types`; a bool is no number."""
    number = types in (int, float, (int, float))
    if not isinstance(value, types) or (number and isinstance(value, bool)):
        raise TypeError(f"{name}: expected {wanted}, got {describe(value)}")


def scalar(value: Any) -> Any:
    """The number of an array or tensor without extents; anything else as it is."""
    one = getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic)
    return value.item() if one and hasattr(value, "item") else value


def integer(name: str, value: object, least: int = 0, most: int = 2**63 - 1) -> int:
    """An int in [least, most]; NumPy's integers are welcome."""
    value = scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {describe(value)}")
    if not least <= int(value) <= most:
        raise ValueError(f"{name}: expected an integer in [{least}, {most}], got {int(value)}")
    return int(value)


def number(name: str, value: object, least: float = 0.0, most: float = float("inf")) -> float:
    """A float in [least, most]; NumPy's numbers are welcome."""
    value = scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"{name}: expected a number, got {describe(value)}")
    if not least <= float(value) <= most:  # NaN too
        raise ValueError(f"{name}: expected a number in [{least:g}, {most:g}], got {value}")
    return float(value)


def choice(name: str, value: object, choices: Sequence[str]) -> str:
    """One of `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected one of {', '.join(choices)}, got {describe(value)}")
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return value


def text(name: str, value: object) -> str:
    """A str that files and C can hold: Unicode without NUL."""
    expect(name, value, str, "a str")
    assert isinstance(value, str)
    if "\0" in value:
        raise ValueError(f"{name}: expected a text without NUL, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: expected Unicode text, got a lone surrogate: {value!r}") from None
    return value


def text_mapping(name: str, value: object) -> dict[str, str]:
    """A mapping of texts to texts."""
    expect(name, value, Mapping, "a mapping of texts to texts")
    assert isinstance(value, Mapping)
    return {
        text(f"{name} key", key): text(f"{name}[{key!r}]", item) for key, item in value.items()
    }


def texts(name: str, value: str | Iterable[str]) -> list[str]:
    """A text or several, as a list."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        raise TypeError(f"{name}: expected a str or several, got {describe(value)}")
    items = list(value)
    for item in items:
        expect(name, item, str, "texts")
    return items


def numbers(
    name: str, value: float | Iterable[float], least: float = 0.0, most: float = float("inf")
) -> list[float]:
    """A number or several, as a list."""
    value = scalar(value)
    if isinstance(value, (int, float, np.number)):
        return [number(name, value, least, most)]
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise TypeError(f"{name}: expected numbers, got {describe(value)}")
    items = list(value)
    return [number(f"{name}[{i}]", item, least, most) for i, item in enumerate(items)]


def integers(name: str, value: int | Iterable[int], least: int, most: int) -> list[int]:
    """An integer or several, as a list."""
    value = scalar(value)
    if isinstance(value, (int, np.integer)):
        return [integer(name, value, least, most)]
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise TypeError(f"{name}: expected integers, got {describe(value)}")
    return [integer(f"{name}[{i}]", item, least, most) for i, item in enumerate(value)]


def path(name: str, value: str | os.PathLike[str], exists: bool = False) -> str:
    """A path as text."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name}: expected a path, got {describe(value)}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected a path of text, got {describe(text)}")
    if not text:
        raise ValueError(f"{name}: is an empty path")
    try:
        plain = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        plain = False
    if not plain:
        raise ValueError(f"{name}: no file can have the name {text!r}")
    if exists and not os.path.exists(text):
        raise FileNotFoundError(f"{name}: {text}: no such file")
    return text


def file_to_write(name: str, value: str | os.PathLike[str]) -> str:
    """A path at which a file can be created, as far as one can tell before."""
    file = path(name, value)
    folder = os.path.dirname(file) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{name}: {file}: there is no folder {folder}")
    if os.path.isdir(file):
        raise IsADirectoryError(f"{name}: {file}: is a folder, expected the name of a file")
    if not os.access(file if os.path.exists(file) else folder, os.W_OK):
        raise PermissionError(f"{name}: {file}: may not be written")
    return file


def expect_other_file(name: str, file: str, kept: str) -> None:
    """ValueError where writing `file` would overwrite `kept`."""
    if kept and os.path.exists(file) and os.path.exists(kept) and os.path.samefile(file, kept):
        raise ValueError(f"{name}: {file} is the result file itself; name another")


def expect_numbers(module: Any) -> None:
    """ValueError where parameters or buffers of a torch module are on the meta device, which keeps
    shapes alone."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.device.type == "meta":
            raise ValueError(
                f"module: {name} is on the meta device, which holds no numbers; load the weights first"
            )


def array(name: str, value: Any) -> npt.NDArray[Any]:
    """A NumPy view of an array or tensor: through DLPack or NumPy's protocols, copied only where
    neither can look into it. Tensors on another device raise ValueError."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: masked arrays have no numbers where they are masked; fill them")
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):  # a torch tensor, perhaps one with a gradient
        device = getattr(value, "device", None)
        if device is not None and device.type == "meta":
            raise ValueError(f"{name}: the tensor is on the meta device, which holds no numbers")
        if device is not None and device.type != "cpu":
            raise ValueError(
                f"{name}: the tensor is on {device}; flatenn reads memory of the CPU: pass "
                f"{name}.cpu()"
            )
        value = value.detach()
    if isinstance(value, (str, bytes)) or value is None:
        raise TypeError(f"{name}: expected an array, got {describe(value)}")
    try:
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError):
        pass  # layouts and types that DLPack does not carry; NumPy's protocols follow
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: expected an array, got {describe(value)} ({error})") from None
