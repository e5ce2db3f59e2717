"""Builds the commands that need LibTorch (train, sharpness, study, ...) against the PyTorch of this
Python, from a checkout of the same version, and puts them beside the package's `flatenn`:

    python -m flatenn.torch.build CHECKOUT

Needs what a build of the C++ library needs (``./dev setup``), and for a PyTorch with CUDA its toolkit.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

import torch

import flatenn
from flatenn._arguments import path


def check_torch() -> None:
    """ImportError where this PyTorch's C++ cannot be linked with flatenn's."""
    if not torch.compiled_with_cxx11_abi():
        raise ImportError(
            f"torch: {torch.__version__} was built with the C++ ABI from before C++11, which flatenn "
            "cannot be linked with; install torch 2.6 or newer"
        )
    if not pathlib.Path(torch.utils.cmake_prefix_path, "Torch", "TorchConfig.cmake").exists():
        raise ImportError(f"torch: {torch.__version__} brings no files to build C++ against")


def check_source(source: str | os.PathLike[str]) -> pathlib.Path:
    """The checkout, if it is one of this package's version."""
    folder = pathlib.Path(path("source", source, exists=True))
    listed = folder / "CMakeLists.txt"
    found = re.search(r"project\(flatenn VERSION ([0-9.]+)", listed.read_text() if listed.exists() else "")
    if found is None:
        raise ValueError(f"source: {folder} is no checkout of flatenn")
    if found[1] != flatenn.__version__:
        raise ValueError(
            f"source: {folder} is flatenn {found[1]}, this package is {flatenn.__version__}"
        )
    return folder.resolve()


def program_folder() -> pathlib.Path:
    """Where the package's program `flatenn` is: wheels for other machines keep it, and the libraries
    that it brings, beside the package."""
    beside = pathlib.Path(flatenn.__file__).parents[1] / "flatenn.scripts"
    return beside if beside.is_dir() else pathlib.Path(sysconfig.get_path("scripts"))


def build(
    source: str | os.PathLike[str], into: str | os.PathLike[str] | None = None, jobs: int = 0
) -> pathlib.Path:
    """Builds ``flatenn-torch`` and returns its path.

    :param source: a checkout of this package's version.
    :param into: the folder of the program ``flatenn`` that will start it; by default that of this
        Python's programs.
    :param jobs: compilers at once; 0: one a core.
    :raises ImportError: where the installed torch cannot be built against.
    :raises subprocess.CalledProcessError: where CMake or the compiler fails, after what they said.
    """
    check_torch()
    checkout = check_source(source)
    target = program_folder() if into is None else pathlib.Path(path("into", into, exists=True))
    version = re.sub(r"[^0-9a-z.]", "-", str(torch.__version__))
    tree = checkout / "build" / f"torch-{version}"
    subprocess.run(
        ["cmake", "-S", checkout, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
         f"-DFLATENN_TORCH={torch.utils.cmake_prefix_path}", "-DFLATENN_BUILD_TESTS=OFF"],
        check=True, stdout=sys.stderr,
    )  # fmt: skip
    subprocess.run(
        ["cmake", "--build", tree, "--target", "flatenn_torch_cli", "-j",
         str(jobs or len(os.sched_getaffinity(0)))],
        check=True, stdout=sys.stderr,
    )  # fmt: skip
    return pathlib.Path(shutil.copy2(tree / "flatenn-torch", target / "flatenn-torch"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m flatenn.torch.build", description=__doc__)
    parser.add_argument("source", help="a checkout of flatenn")
    parser.add_argument("--into", help="folder of the program flatenn (default: this Python's)")
    parser.add_argument("--jobs", type=int, default=0)
    arguments = parser.parse_args()
    try:
        print(build(arguments.source, arguments.into, arguments.jobs))
    except (ImportError, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
