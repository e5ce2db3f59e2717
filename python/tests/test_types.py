"""Types: the package under mypy --strict, its stubs under stubtest, users' code as users write it."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT

pytest.importorskip("mypy")


def run(*arguments: str, cwd: pathlib.Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def package() -> pathlib.Path:
    import flatenn

    return pathlib.Path(flatenn.__file__).parent  # of the build or the installed wheel: has the stub


def test_the_package_is_typed(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("torch")
    run("mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path),
        str(package()))  # fmt: skip


def test_the_stub_says_what_the_extension_has(tmp_path: pathlib.Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {package().parent}\n")
    run("mypy.stubtest", "flatenn._core", "--mypy-config-file", str(config), cwd=tmp_path)


def test_users_code_is_checked(tmp_path: pathlib.Path) -> None:
    good = tmp_path / "good.py"
    good.write_text(
        textwrap.dedent("""
        import flatenn
        import numpy as np

        net = flatenn.load("m.onnx")
        logits: np.ndarray = net.run(np.zeros((1, 1, 28, 28), np.float32))
        faults = flatenn.FaultMap.draw(net, rate=0.01, seed=1)
        name: str = net.with_faults(faults).name
        results: flatenn.Results = flatenn.campaign(net, "mnist", rates=[0.1])
        metric: flatenn.MetricResults = flatenn.campaign(net, evaluate=lambda n: 1.0, rates=0.1)
        """)
    )
    bad = tmp_path / "bad.py"
    bad.write_text('import flatenn\nflatenn.load("m.onnx").run(engine=3)\n')
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {package().parent}\nstrict = true\n")
    run("mypy", "--config-file", str(config), str(good), cwd=tmp_path)
    with pytest.raises(AssertionError, match="engine"):
        run("mypy", "--config-file", str(config), str(bad), cwd=tmp_path)
