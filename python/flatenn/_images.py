"""Labelled images, from arrays, torch data sets, loaders and flatenn's own data sets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt

from flatenn import _core
from flatenn._arguments import array, choice, describe, integer, numbers, path
from flatenn._arguments import text as checked_text
from flatenn._gather import split

if TYPE_CHECKING:
    from flatenn._network import Network

#: Images, or images with labels: arrays or tensors, a pair of them, :class:`Images`, the name of a
#: data set, a torch ``Dataset`` or ``DataLoader``, or any iterable of batches or of single items.
ImagesLike = Union["Images", str, npt.ArrayLike, Iterable[Any], Any]


class Images:
    """Images of one shape, with labels, in memory that flatenn shares between all that use it.

    :param images: [N, C, H, W] of uint8 (pixels; `mean` and `std` normalize them), or of float32
        or float64 (what the network takes: normalized pixels). [N, H, W] is one channel.
    :param labels: [N] integers in [0, classes); None where only logits are wanted.
    :param mean, std: one number a channel, of pixel / 255: x = (pixel / 255 - mean) / std.
    :param name: what results call the data set.
    :param class_names: names of the classes; by default their numbers.

    Pixels and labels are copied once, here, and never again; calls that are given arrays
    themselves read them where they lie. Pickles with all it holds.
    """

    def __init__(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
        *,
        mean: npt.ArrayLike | None = None,
        std: npt.ArrayLike | None = None,
        name: str = "images",
        class_names: Sequence[str] = (),
    ) -> None:
        checked_text("name", name)
        self._fill(images, labels, mean, std, name, class_names, borrow=False)

    def _fill(
        self, images: Any, labels: Any, mean: Any, std: Any, name: str, class_names: Sequence[str],
        borrow: bool,
    ) -> None:  # fmt: skip
        pixels = _batch("images", images)
        count = len(pixels)
        kept = _labels("labels", labels, count)
        names = _class_names(class_names, kept)
        self._labelled = labels is not None
        if pixels.dtype == np.uint8:
            channels = pixels.shape[1]
            self._core = _core.Images.from_pixels(
                pixels, kept, name, names,
                _per_channel("mean", mean, channels, 0.0), _per_channel("std", std, channels, 1.0),
                borrow,
            )  # fmt: skip
            self._normalized = mean is not None
            return
        for argument, value in (("mean", mean), ("std", std)):
            if value is not None:
                raise ValueError(f"{argument}: is for uint8 pixels; these images are {pixels.dtype}")
        self._core = _core.Images.from_values(pixels, kept, name, names, borrow)
        self._normalized = True

    @classmethod
    def _borrowed(
        cls, images: Any, labels: Any, mean: Any, std: Any, name: str, class_names: Sequence[str]
    ) -> Images:
        """For one call: the numbers stay where they are, so that nobody may change them meanwhile."""
        self = cls.__new__(cls)
        self._fill(images, labels, mean, std, name, class_names, borrow=True)
        return self

    @classmethod
    def _of(cls, core: _core.Images) -> Images:
        self = cls.__new__(cls)
        self._core, self._labelled, self._normalized = core, True, True
        return self

    @property
    def name(self) -> str:
        """What results call the data set."""
        return self._core.name

    @property
    def hash(self) -> str:
        """SHA-256 of images and labels: part of a campaign's fingerprint."""
        return self._core.hash

    @property
    def labels(self) -> npt.NDArray[np.integer[Any]]:
        """[N]; a view, not writable."""
        return self._core.labels()

    @property
    def images(self) -> npt.NDArray[Any]:
        """[N, C, H, W], uint8 or float32 as given; a view, not writable."""
        return self._core.batch()

    @property
    def class_names(self) -> list[str]:
        """One a class."""
        return self._core.class_names

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        shape = "x".join(str(extent) for extent in self.images.shape[1:])
        return f"<flatenn.Images {self.name!r}: {len(self)} of {shape} {self.images.dtype}>"

    def __reduce__(self) -> tuple[Any, ...]:
        pixels = self._core.of_pixels
        mean = self._core.mean if pixels and self._normalized else None
        std = self._core.std if pixels and self._normalized else None
        labels = np.array(self.labels) if self._labelled else None
        return _rebuild, (np.array(self.images), labels, mean, std, self.name, self.class_names)


def _rebuild(
    images: Any, labels: Any, mean: Any, std: Any, name: str, class_names: list[str]
) -> Images:
    return Images(images, labels, mean=mean, std=std, name=name, class_names=class_names)


def load_images(
    name: str,
    split: str = "test",
    *,
    first: int = 0,
    root: str | os.PathLike[str] | None = None,
) -> Images:
    """One of flatenn's data sets, which ``flatenn data get NAME`` fetches.

    :param name: "mnist", "fashion-mnist", "cifar10", ...
    :param split: "test" or "train".
    :param first: only the first so many images; 0: all.
    :param root: folder of the data sets; by default $FLATENN_DATA, else ~/.cache/flatenn/data.
    :raises flatenn.Error: where it is not there, saying how to get it.
    """
    checked_text("name", name)
    return Images._of(
        _core.Images.load(
            name,
            choice("split", split, ("test", "train")),
            integer("first", first),
            "" if root is None else path("root", root),
        )
    )


def images_for(
    network: Network,
    data: Any,
    mean: npt.ArrayLike | None = None,
    std: npt.ArrayLike | None = None,
    *,
    labelled: bool,
    argument: str = "",
) -> Images:
    """`data` as Images that fit the network. TypeError or ValueError names the argument."""
    argument = argument or ("data" if labelled else "images")
    images = _to_images(network, data, mean, std, argument)
    if labelled and not images._labelled:
        raise ValueError(f"{argument}: needs labels: pass (images, labels)")
    shape = tuple(images.images.shape[1:])
    if shape != network.input_shape:
        raise ValueError(
            f"{argument}: expected images of shape {network.input_shape} for this network, got "
            f"{shape}"
        )
    if labelled and network.output_shape[1:] != (1, 1):
        raise ValueError(
            f"{argument}: this network gives maps of shape {network.output_shape}, which labels "
            "cannot be compared with; use run(), or a campaign with evaluate"
        )
    if labelled and len(images) and int(images.labels.max()) >= network.classes:
        raise ValueError(
            f"labels: expected classes in [0, {network.classes}) for this network, got "
            f"{int(images.labels.max())}"
        )
    if images._core.of_pixels and not images._normalized and not network._core.raw_pixels:
        raise ValueError(
            "mean: is missing: this network takes normalized pixels, and neither the arguments nor "
            'its metadata ("dataset") say how uint8 pixels are normalized'
        )
    if labelled and len(images.class_names) < network.classes:
        numbered = [str(number) for number in range(network.classes)]
        named = images.class_names + numbered[len(images.class_names) :]
        images = Images._of(images._core.with_class_names(named))
        images._normalized = True
    return images


def _to_images(
    network: Network,
    data: Any,
    mean: npt.ArrayLike | None,
    std: npt.ArrayLike | None,
    argument: str,
) -> Images:
    if isinstance(data, Images):
        for name, value in (("mean", mean), ("std", std)):
            if value is not None:
                raise ValueError(f"{name}: these Images carry their own")
        return data
    if isinstance(data, str):
        return load_images(data)
    images, labels = split(data, argument)
    dataset = network.metadata.get("dataset", "")
    batch = _batch(argument, images)
    if batch.dtype == np.uint8 and dataset in _core.dataset_names():
        if mean is None:
            mean, own_std = _core.dataset_constants(dataset)
            std = own_std if std is None else std
        elif std is None:
            raise ValueError(f"std: is missing beside mean (this network is for {dataset})")
    name = dataset or "images"
    classes = [str(number) for number in range(network.classes)]
    if labels is not None and int(_labels("labels", labels, len(batch)).max()) >= network.classes:
        classes = []  # images_for says what is wrong with them
    return Images._borrowed(batch, labels, mean, std, name, classes)


def _batch(argument: str, value: Any) -> npt.NDArray[Any]:
    """[N, C, H, W] of uint8 or float32, row-major; copied only where it has to be."""
    batch = array(argument, value)
    if batch.dtype == np.float64 or batch.dtype == np.float16:
        batch = batch.astype(np.float32)
    if batch.dtype not in (np.uint8, np.float32):
        raise TypeError(
            f"{argument}: expected uint8 pixels or float32, got an array of {batch.dtype}"
        )
    if batch.ndim == 3:
        batch = batch[:, np.newaxis]
    if batch.ndim != 4:
        raise ValueError(
            f"{argument}: expected the shape [N, C, H, W], got {tuple(batch.shape)}"
        )
    if 0 in batch.shape:
        raise ValueError(f"{argument}: no images in an array of shape {tuple(batch.shape)}")
    return np.ascontiguousarray(batch)


def _labels(argument: str, value: Any, count: int) -> npt.NDArray[np.uint16]:
    if value is None:
        return np.zeros(count, np.uint16)
    labels = array(argument, value)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{argument}: expected integers, got an array of {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(
            f"{argument}: expected the shape ({count},), one for each image, got "
            f"{tuple(labels.shape)}"
        )
    most = _core.most_classes()
    if int(labels.min()) < 0 or int(labels.max()) >= most:
        raise ValueError(
            f"{argument}: expected classes in [0, {most}), got {int(labels.min())} to "
            f"{int(labels.max())}"
        )
    return np.ascontiguousarray(labels, np.uint16)


def _class_names(names: Sequence[str], labels: npt.NDArray[np.uint16]) -> list[str]:
    classes = int(labels.max()) + 1
    if isinstance(names, (str, Mapping)) or not isinstance(names, Iterable):
        raise TypeError(f"class_names: expected one text a class, got {describe(names)}")
    names = [checked_text(f"class_names[{i}]", str(name)) for i, name in enumerate(names)]
    if not names:
        return [str(number) for number in range(classes)]
    if len(names) < classes:
        raise ValueError(f"class_names: {len(names)} names for labels up to {classes - 1}")
    return names


def _per_channel(
    argument: str, value: npt.ArrayLike | None, channels: int, default: float
) -> list[float]:
    if value is None:
        return [default] * channels
    array_of = array(argument, value)
    if array_of.dtype.kind not in "iuf":
        raise TypeError(f"{argument}: expected numbers, got an array of {array_of.dtype}")
    least, most = (1e-6, 1e6) if argument == "std" else (-1e6, 1e6)
    got = numbers(argument, array_of.astype(float).ravel().tolist(), least, most)
    if len(got) == 1:
        got = got * channels
    if len(got) != channels:
        raise ValueError(f"{argument}: expected one number for each of {channels} channels, got "
                         f"{len(got)}")  # fmt: skip
    return got
