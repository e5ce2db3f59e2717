"""Programs with LibTorch are built against the PyTorch that is installed, or refused."""

from __future__ import annotations

import pathlib

import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")


def test_programs_are_built_against_this_torch_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flatenn.torch import build

    with pytest.raises(FileNotFoundError, match="source"):
        build.build(tmp_path / "none")
    with pytest.raises(ValueError, match="source: .* is no checkout"):
        build.build(tmp_path)
    (tmp_path / "CMakeLists.txt").write_text("project(flatenn VERSION 0.0.9 LANGUAGES CXX)")
    with pytest.raises(ValueError, match=r"source: .* is flatenn 0\.0\.9"):
        build.build(tmp_path)
    assert build.check_source(ROOT) == ROOT
    monkeypatch.setattr(torch, "compiled_with_cxx11_abi", lambda: False)
    with pytest.raises(ImportError, match="torch: .* C\\+\\+ ABI"):
        build.build(ROOT)
