"""What the documents print runs as it is printed."""

from __future__ import annotations

import pathlib
import re
import textwrap
from typing import Any

import pytest
from conftest import ROOT, random_images, random_labels

import flatenn


def block_with(document: str, text: str) -> str:
    """The Python block of a document that holds `text`."""
    blocks = re.findall(
        r"^( *)```python\n(.*?)^\1```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL
    )
    found = [textwrap.dedent(body) for _, body in blocks if text in body]
    assert len(found) == 1, f"{document}: {len(found)} blocks with {text!r}"
    return found[0]


@pytest.fixture
def names(
    lenet: flatenn.Network, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """model.onnx in the folder where one works, with images and labels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    lenet.save("model.onnx")
    return {"images": random_images(lenet, 50), "labels": random_labels(lenet, 50)}


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_quick_starts(names: dict[str, Any], document: str) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    exec(block_with(document, "flatenn.load("), names)  # noqa: S102
    assert len(names["results"].trials) == 200
    assert len(flatenn.load_results("results.db").trials) == 200


@pytest.fixture
def measured(lenet: flatenn.Network, names: dict[str, Any]) -> dict[str, Any]:
    data = (names["images"], names["labels"])
    return {"net": lenet, "results": flatenn.campaign(lenet, data, rates=[1e-3, 1e-2], trials=3)}


def test_mlflow_recipe(
    measured: dict[str, Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file://{tmp_path}/runs")
    exec(block_with("docs/python.md", "mlflow.start_run"), {"mlflow": mlflow, **measured})  # noqa: S102
    client = mlflow.tracking.MlflowClient()
    (run,) = client.search_runs(["0"])
    assert run.data.params["network"] == measured["net"].hash
    history = client.get_metric_history(run.info.run_id, "accuracy_bit_flip")
    assert [point.value for point in history] == measured["results"].cells["mean"]
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["report.html"]


def test_weights_and_biases_recipe(
    measured: dict[str, Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    pytest.importorskip("pandas")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    exec(block_with("docs/python.md", "wandb.init"), {"wandb": wandb, **measured})  # noqa: S102
    wandb.finish()
    kept = {file.name for file in tmp_path.rglob("wandb/offline-run-*/**/*") if file.is_file()}
    assert any(name.startswith("cells_") for name in kept), kept
    assert any(name.startswith("report_") for name in kept), kept
