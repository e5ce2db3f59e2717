"""The notebooks run from top to bottom, and the examples work."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from conftest import ROOT

import flatenn

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", autouse=True)
def mnist() -> None:
    try:
        flatenn.load_images("mnist", "train", first=1)
    except flatenn.Error as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(
        book, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    assert all(cell.execution_count for cell in book.cells if cell.cell_type == "code")


@pytest.mark.slow
def test_optuna_study() -> None:
    pytest.importorskip("optuna")
    done = subprocess.run(
        [sys.executable, ROOT / "examples/python/optuna_study.py", "--trials", "2", "--images",
         "1200"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "accuracy under faults" in done.stdout and "'rho'" in done.stdout


@pytest.mark.slow
def test_lightning_callback() -> None:
    lightning = pytest.importorskip("lightning")
    sys.path += [str(ROOT / "examples" / folder) for folder in ("python", "notebooks")]
    import digits
    from lightning_callback import FaultCampaign

    x, y = digits.digits("test", first=256)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = digits.quantized_lenet()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

        def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
            self(batch[0])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.05)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 64)
    callback = FaultCampaign((x, y), rates=[0.001, 0.01], trials=3)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[callback], logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(Module(), loader, loader)
    assert 0 <= float(trainer.callback_metrics["accuracy_at_0.01"]) <= 1
    assert callback.last is not None and len(callback.last.cells) == 2
