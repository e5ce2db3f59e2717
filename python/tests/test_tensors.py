"""Torch tensors and loaders as images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")


def test_tensors_are_read_where_they_lie(float_case: Any) -> None:
    _, x, net = float_case
    assert np.array_equal(net.run(x), net.run(x.numpy()))
    assert np.array_equal(net.run(x.clone().requires_grad_()), net.run(x))
    channels_last = x.to(memory_format=torch.channels_last)
    assert np.array_equal(net.run(channels_last), net.run(x))
    from flatenn._arguments import array

    assert np.shares_memory(array("images", x), x.numpy())


def test_tensors_without_numbers_are_named(float_case: Any) -> None:
    _, x, net = float_case
    with pytest.raises(ValueError, match="images: the tensor is on the meta device"):
        net.run(x.to("meta"))


def test_loaders_of_streams_are_read(float_case: Any) -> None:
    """Such a loader cannot tell its length."""
    _, x, net = float_case

    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return ((image, 0) for image in x[:10])

    logits = net.run(torch.utils.data.DataLoader(Stream(), 4))
    assert np.array_equal(logits, net.run(x[:10]))
