"""Networks and images that the tests share. $FLATENN_PROGRAM is the command beside the package."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

import flatenn

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus" / "models"


def build_folder() -> pathlib.Path:
    """The build with the C++ programs that tests use."""
    named = os.environ.get("FLATENN_BUILD")
    return pathlib.Path(named) if named else ROOT / "build" / "release"


@pytest.fixture(scope="session")
def program() -> str:
    found = os.environ.get("FLATENN_PROGRAM") or shutil.which("flatenn")
    if found is None and (build_folder() / "flatenn").exists():
        found = str(build_folder() / "flatenn")
    if found is None:
        pytest.skip("the command flatenn is not here; build it or set FLATENN_PROGRAM")
    return found


@pytest.fixture(scope="session")
def lenet_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LeNet-5 of random 4-bit weights with flatenn's own metadata."""
    found = list(build_folder().glob("tests/flatenn_write_model"))
    if not found:
        pytest.skip("flatenn_write_model is not built")
    path = tmp_path_factory.mktemp("model") / "lenet.onnx"
    subprocess.run([found[0], path], check=True)
    return str(path)


@pytest.fixture(scope="session")
def lenet(lenet_path: str) -> flatenn.Network:
    return flatenn.load(lenet_path)


@pytest.fixture(scope="session")
def small_path() -> str:
    """A network of ONNX Runtime's quantizer: zero points, unsigned activations."""
    return str(CORPUS / "ort_qdq_plain_u8s8.onnx")


@pytest.fixture(scope="session")
def small(small_path: str) -> flatenn.Network:
    return flatenn.load(small_path)


def random_images(net: flatenn.Network, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *net.input_shape)).astype(np.float32)


def random_labels(net: flatenn.Network, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(0, net.classes, count)


@pytest.fixture(scope="session")
def data(lenet: flatenn.Network) -> tuple[np.ndarray, np.ndarray]:
    return random_images(lenet, 300), random_labels(lenet, 300)


@pytest.fixture(scope="session")
def float_case() -> Any:
    """A float torch module, its images and the network that was made of it."""
    from torch_models import float_case

    return float_case()
