"""What the recomputations share: running the program, comparing, and reading files. Nothing here, or
beside it, uses flatenn's Python package: every number is computed from stored rows, drawn maps and
exported weights."""

import gzip
import json
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys

SKIPPED = 77  # what ctest takes for skipped

try:
    import numpy as np
except ImportError:
    print("skipped: NumPy is not installed")
    sys.exit(SKIPPED)


def skip(reason):
    print("skipped:", reason)
    sys.exit(SKIPPED)


def data_root():
    return pathlib.Path(os.environ.get("FLATENN_DATA", os.path.expanduser("~/.cache/flatenn/data")))


def mnist_test(count):
    """The first test images, uint8 [count, 784], and their labels."""
    folder = data_root() / "mnist"
    if not folder.is_dir():
        skip(f"MNIST is not in {data_root()}")
    return idx(folder, "t10k-images*")[:count].reshape(count, -1), idx(folder, "t10k-labels*")[:count]


def idx(folder, pattern):
    path = sorted(folder.glob(pattern))[0]
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def safetensors(path):
    """(tensors by name, metadata)."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    types = {"I8": np.int8, "I32": np.int32, "F32": np.float32}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors, header["__metadata__"]


class Program:
    def __init__(self, path, folder):
        self.path = os.path.abspath(path)
        self.folder = pathlib.Path(folder)

    def __call__(self, *command):
        """Its stdout; a failure ends the test with what it said."""
        done = subprocess.run([self.path, "-q", *map(str, command)], capture_output=True, text=True, cwd=self.folder,
                              check=False)
        if done.returncode:
            sys.exit(f"exit {done.returncode} of {' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def json(self, *command):
        return json.loads(self(*command))

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def needs_training(self):
        if not os.path.exists(os.path.join(os.path.dirname(self.path), "flatenn-torch")):
            skip("this build cannot train")

    def train(self, name, *settings):
        """A small perceptron of MNIST; skips where this build cannot train."""
        self.needs_training()
        config = self.write("train.toml", '[data]\nname = "mnist"\ntrain_images = 2000\ntest_images = 500\n'
                                          '[model]\narchitecture = "mlp"\nhidden = [16, 12]\n[train]\nepochs = 2\n')
        self("train", config, "--out", name, *(word for setting in settings for word in ("--set", setting)))
        return f"{name}/model.onnx"


class Checks:
    """Counts what was compared; ends the test where anything differed, or nothing was compared."""

    def __init__(self):
        self.compared = 0
        self.wrong = []

    def __call__(self, what, ours, theirs, relative=1e-9, absolute=1e-12):
        ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
        self.compared += max(1, ours.size)
        same = ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=relative, atol=absolute, equal_nan=False)
        if not same:
            self.wrong.append(f"{what}: recomputed {ours}, flatenn says {theirs}")

    def same(self, what, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.wrong.append(f"{what}: recomputed {ours!r}, flatenn says {theirs!r}")

    def finish(self):
        print("\n".join(self.wrong[:20]))
        print(f"{self.compared} numbers recomputed, {len(self.wrong)} comparisons differ")
        sys.exit(1 if self.wrong or not self.compared else 0)


def turned(code, bits, fault):
    """A code after one fault of its word of two's complement."""
    mask = 1 << fault["bit"]
    word = code % (1 << bits)
    word = {"bit_flip": word ^ mask, "stuck_at_1": word | mask, "stuck_at_0": word & ~mask}[fault["kind"]]
    return word - (1 << bits) if word >> (bits - 1) else word


def rows_of(program, db):
    """Trials by (kind, level, trial)."""
    connection = sqlite3.connect(program.folder / db)
    connection.row_factory = sqlite3.Row
    return {(row["kind"], row["level"], row["trial"]): row for row in connection.execute(
        "SELECT c.kind, c.level, t.* FROM trials t JOIN cells c ON c.plan = t.plan AND c.cell = t.cell")}


def compare(check, name, row, golden, logits, labels):
    """Top-1 of the first largest logit, as everywhere."""
    top, before = logits.argmax(1), golden.argmax(1)
    check(f"{name} correct", (top == labels).sum(), row["correct"])
    check(f"{name} sdc1, right before", ((top != before) & (before == labels)).sum(), row["sdc1_right"])
    check(f"{name} sdc1, wrong before", ((top != before) & (before != labels)).sum(), row["sdc1_wrong"])
    exponents = logits - logits.max(1, keepdims=True)
    losses = np.log(np.exp(exponents).sum(1)) - exponents[np.arange(len(labels)), labels]
    check(f"{name} loss", losses.sum(), row["loss"], 1e-4)
