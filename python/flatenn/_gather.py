"""Images and labels of data sets, loaders, lists and generators, side by side in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flatenn._arguments import array, describe


def split(data: Any, argument: str) -> tuple[Any, Any]:
    """Images and labels (or None) of whatever was given."""
    if isinstance(data, tuple) and len(data) == 2:
        return data
    if isinstance(data, (list, tuple)) or not hasattr(data, "shape"):
        return _gather(data, argument)
    return data, None


def _items(data: Any, argument: str) -> Iterator[Any]:
    if isinstance(data, Mapping):
        raise TypeError(
            f"{argument}: expected images, or (images, labels), got a mapping with the keys "
            f"{_keys(data)}; pass what stands under them"
        )
    if _is_stream(data):
        return iter(data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "__next__"):
        # A map-style data set says how long it is, and may not end iteration by itself.
        if type(data).__module__.startswith("torch.utils.data") and hasattr(data, "batch_size"):
            return iter(data)
        return (data[i] for i in range(len(data)))
    if not isinstance(data, Iterable):
        raise TypeError(
            f"{argument}: expected an array, (images, labels), a data set or a loader, got "
            f"{describe(data)}"
        )
    return iter(data)


def _is_stream(data: Any) -> bool:
    """Whether it is a torch IterableDataset, which has items but no numbers for them, even where
    it says how many."""
    torch = sys.modules.get("torch.utils.data")  # nobody has made one before it is there
    return torch is not None and isinstance(data, torch.IterableDataset)


def _keys(data: Mapping[Any, Any]) -> str:
    return ", ".join(map(repr, list(data)[:8])) or "none"


def _length(data: Any, argument: str) -> int | None:
    """What it says that it holds; None where it cannot tell (a loader of a stream)."""
    try:
        return len(data)
    except TypeError:
        return None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{argument}: its __len__ tells no number of items: {error}") from error


def _gather(data: Any, argument: str) -> tuple[Any, Any]:
    """All items of a data set, or all batches of a loader, side by side in memory."""
    images: list[npt.NDArray[Any]] = []
    labels: list[npt.NDArray[Any]] = []
    count, promised = 0, _length(data, argument)
    try:
        for item in _items(data, argument):
            if isinstance(item, Mapping):
                raise TypeError(
                    f"{argument}[{count}]: expected an image, (image, label) or batches of them, "
                    f"got a mapping with the keys {_keys(item)}; pass a generator of pairs: "
                    "((b[image_key], b[label_key]) for b in loader)"
                )
            x, y = item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
            x = array(f"{argument}[{count}]", x)
            images.append(x if x.ndim == 4 else x[np.newaxis])
            if y is not None:
                labels.append(np.atleast_1d(array(f"{argument}[{count}] label", y)))
                if len(labels[-1]) != len(images[-1]):
                    raise ValueError(
                        f"{argument}[{count}]: {len(images[-1])} images and {len(labels[-1])} labels"
                    )
            count += 1
    except IndexError as error:
        if promised is None:
            raise
        raise ValueError(
            f"{argument}: said it has {promised} items and ended after {count}: IndexError: {error}"
        ) from error
    if promised is not None and count != promised:
        raise ValueError(f"{argument}: said it has {promised} items and gave {count}")
    now = _length(data, argument)
    if promised is not None and now != promised:
        raise ValueError(f"{argument}: changed its length from {promised} to {now}")
    if not images:
        raise ValueError(f"{argument}: holds nothing; a generator can be read only once")
    if labels and len(labels) != len(images):
        raise ValueError(f"{argument}: {len(labels)} of {len(images)} items have labels")
    types = sorted({str(x.dtype) for x in images})
    if len(types) > 1:
        raise TypeError(f"{argument}: images of several types: {', '.join(types)}")
    shapes = {x.shape[1:] for x in images}
    if len(shapes) > 1:
        raise ValueError(f"{argument}: images of several shapes: {sorted(shapes)[:3]}")
    return np.concatenate(images), np.concatenate(labels) if labels else None
