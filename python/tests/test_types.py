"""Types: the package under mypy --strict, its stubs under stubtest, users' code as users write."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT

pytest.importorskip("mypy")


def run(*arguments: str, cwd: pathlib.Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(package().parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def package() -> pathlib.Path:
    import flatenn

    # Of the build or the installed wheel, which has the stub; not the source, where links lead.
    return pathlib.Path(flatenn.__file__).absolute().parent


def as_installed(folder: pathlib.Path) -> pathlib.Path:
    """Settings with which mypy finds the package, and shows no errors inside of it, as of packages
    that are installed."""
    config = folder / "mypy.ini"
    config.write_text(
        f"[mypy]\nmypy_path = {package().parent}\nstrict = true\n"
        "[mypy-flatenn.*]\nignore_errors = true\n"
    )
    return config


def test_the_package_is_typed(tmp_path: pathlib.Path) -> None:
    """With the settings of pyproject.toml, beside the extension, where the stub is."""
    pytest.importorskip("torch")
    settings = (ROOT / "pyproject.toml").read_text()
    source = '"$MYPY_CONFIG_FILE_DIR/python"'
    assert settings.count(source) == 1
    config = tmp_path / "pyproject.toml"
    config.write_text(settings.replace(source, json.dumps(str(package().parent))))
    run("mypy", "--config-file", str(config), "--cache-dir", str(tmp_path / "cache"),
        str(package()), cwd=tmp_path)  # fmt: skip


def test_the_stub_says_what_the_extension_has(tmp_path: pathlib.Path) -> None:
    run("mypy.stubtest", "flatenn._core", "--mypy-config-file", str(as_installed(tmp_path)),
        "--ignore-disjoint-bases", "--allowlist", str(ROOT / "python/tests/stubtest_allowed.txt"),
        cwd=tmp_path)  # fmt: skip


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
    config = as_installed(tmp_path)
    run("mypy", "--config-file", str(config), str(good), cwd=tmp_path)
    with pytest.raises(AssertionError, match="engine"):
        run("mypy", "--config-file", str(config), str(bad), cwd=tmp_path)
