"""Images of Fashion-MNIST and CIFAR-10 from their official files below $FLATENN_DATA."""

import gzip
import lzma
import os
import pathlib

import numpy as np

MEAN = {"fashion-mnist": [0.286041], "cifar10": [0.491400, 0.482158, 0.446531]}
STD = {"fashion-mnist": [0.353024], "cifar10": [0.247032, 0.243485, 0.261588]}


def load(name, train):
    """Normalized images [N, C, H, W] in float32 and their labels."""
    root = pathlib.Path(os.environ["FLATENN_DATA"])
    if name == "cifar10":
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        raw = b"".join(lzma.open(root / "cifar-10-batches-bin" / (n + ".xz")).read() for n in names)
        rows = np.frombuffer(raw, np.uint8).reshape(-1, 3073)
        pixels, labels = rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0]
    else:
        part = root / name / ("train" if train else "t10k")
        read = lambda kind, skip: np.frombuffer(
            gzip.open(f"{part}-{kind}-ubyte.gz").read(), np.uint8)[skip:]
        pixels, labels = read("images-idx3", 16).reshape(-1, 1, 28, 28), read("labels-idx1", 8)
    mean, std = (np.array(x[name], np.float32).reshape(-1, 1, 1) for x in (MEAN, STD))
    return (pixels.astype(np.float32) / 255 - mean) / std, labels.astype(np.int64)
