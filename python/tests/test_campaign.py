from __future__ import annotations

import json
import pathlib
import pickle
import re
import sqlite3
import subprocess
from typing import Any

import numpy as np
import pytest
from conftest import random_images, random_labels

import flatenn

RATES = [0.001, 0.01]
#: Columns that tell who ran when.
PROVENANCE = {"created", "started", "finished", "layout"}


def rows(database: pathlib.Path, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(database) as connection:
        names = [row[1] for row in connection.execute(f"pragma table_info({table})")]
        kept = ", ".join(f'"{name}"' for name in names if name not in PROVENANCE)
        assert names, f"no table {table}"
        return sorted(connection.execute(f"select {kept} from {table}").fetchall(), key=repr)


@pytest.fixture(scope="module")
def results(lenet: flatenn.Network, data: tuple[np.ndarray, np.ndarray]) -> flatenn.Results:
    return flatenn.campaign(
        lenet, data, kinds=["bit_flip", "stuck_at_0"], rates=RATES, trials=6, seed=1
    )


def test_results_are_those_of_its_trials(
    lenet: flatenn.Network, data: tuple[np.ndarray, np.ndarray], results: flatenn.Results
) -> None:
    """Each trial again, one by one, from the map and the faulty network."""
    assert len(results.cells) == 4
    golden = lenet.run(data[0]).argmax(1)
    for row in results.trials:
        drawn = flatenn.FaultMap.draw(
            lenet, rate=row["rate"], seed=1, trial=row["trial"], kind=row["kind"]
        )
        got = lenet.with_faults(drawn).run(data[0]).argmax(1)
        assert row["correct"] == int((got == data[1]).sum())
        assert row["sdc1_right"] + row["sdc1_wrong"] == int((got != golden).sum())
        assert row["drawn"] == len(drawn) and row["images"] == len(data[1])
    for cell in results.cells:
        accuracies = [
            row["correct"] / row["images"] for row in results.trials
            if (row["kind"], row["rate"]) == (cell["kind"], cell["rate"])
        ]  # fmt: skip
        assert cell["trials"] == 6 and cell["mean"] == pytest.approx(np.mean(accuracies))
        assert cell["sd"] == pytest.approx(np.std(accuracies, ddof=1))
        assert cell["ci_low"] < cell["mean"] < cell["ci_high"]
        assert cell["golden"] == pytest.approx((golden == data[1]).mean())


def test_the_commands_rows_are_the_same(
    lenet_path: str, program: str, tmp_path: pathlib.Path
) -> None:
    """One data set that both know; skipped where it is not on this machine."""
    try:
        flatenn.load_images("mnist", first=10)
    except flatenn.Error as error:
        pytest.skip(str(error))
    theirs, ours = tmp_path / "command.db", tmp_path / "python.db"
    subprocess.run(
        [program, "--quiet", "campaign", "--model", lenet_path, "--data", "mnist", "--kinds",
         "bit_flip,stuck_at_1", "--rates", "0.001,0.01", "--trials", "5", "--seed", "3", "--db",
         theirs],
        check=True, capture_output=True,
    )  # fmt: skip
    flatenn.campaign(
        lenet_path, "mnist", kinds=["bit_flip", "stuck_at_1"], rates=RATES, trials=5, seed=3,
        store=ours,
    )  # fmt: skip
    for table in ("trials", "cells", "plans", "plan_models", "models", "datasets", "goldens"):
        assert rows(ours, table) == rows(theirs, table), table
    # The same images as arrays make the same plan: going on from the command's file runs nothing.
    images = flatenn.load_images("mnist")
    arrays = flatenn.Images(
        np.array(images.images), np.array(images.labels), mean=images._core.mean,
        std=images._core.std, name="mnist", class_names=images.class_names,
    )  # fmt: skip
    again = flatenn.campaign(
        lenet_path, arrays, kinds=["bit_flip", "stuck_at_1"], rates=RATES, trials=5, seed=3,
        store=theirs,
    )  # fmt: skip
    assert again.engine == "" and rows(theirs, "trials") == rows(ours, "trials")


def test_tables_go_where_people_need_them(
    results: flatenn.Results, tmp_path: pathlib.Path
) -> None:
    frame = results.to_pandas()
    assert list(frame["kind"]) == ["bit_flip"] * 2 + ["stuck_at_0"] * 2
    assert len(results.to_pandas("trials")) == 24
    html = pathlib.Path(results.report(tmp_path / "r.html", title="A title")).read_text()
    assert html.startswith("<!doctype html>") and "A title" in html
    latex = results.latex(caption="50 % done", label="tab:a")
    assert latex.count(r"\\") == 3 and r"50 \% done" in latex and r"stuck\_at\_0" in latex
    assert "<table>" in results._repr_html_() and "bit_flip" in repr(results)
    with pytest.raises(ValueError, match="what"):
        results.to_pandas("rows")


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"caption": 5}, TypeError, "caption"),
        ({"caption": "a\0b"}, ValueError, "caption"),
        ({"label": ["tab"]}, TypeError, "label"),
        ({"label": "tab}x"}, ValueError, r"label: expected a name without '}', got 'tab}x'"),
        ({"label": "100%"}, ValueError, "label: expected a name without '%'"),
        ({"label": ""}, ValueError, "label: expected a name of at least one letter"),
    ],
)
def test_what_latex_cannot_take_is_named(
    results: flatenn.Results, arguments: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        results.latex(**arguments)


def test_polars(results: flatenn.Results) -> None:
    pytest.importorskip("polars")
    assert results.to_polars()["mean"].to_list() == results.cells["mean"]


def test_plot_shows_every_line(results: flatenn.Results) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = results.plot()
    drawn = {line.get_label(): line for line in ax.get_lines()}
    labels = [label for label in drawn if not label.startswith("_")]
    assert len(labels) == 2 and ax.get_xscale() == "log"
    assert np.allclose(
        drawn[labels[0]].get_ydata(), [100 * mean for mean in results.cells["mean"][:2]]
    )
    with pytest.raises(ValueError, match="kind"):
        results.plot(kind="rowhammer")


def test_results_pickle(results: flatenn.Results) -> None:
    copy = pickle.loads(pickle.dumps(results))
    assert copy.cells == results.cells and copy.to_dict() == results.to_dict()


def test_campaigns_go_on_where_they_stopped(
    lenet: flatenn.Network, data: tuple[np.ndarray, np.ndarray], tmp_path: pathlib.Path
) -> None:
    store = tmp_path / "r.db"

    class Enough(Exception):
        pass

    def stop(done: int, wanted: int, cell: object) -> None:
        if cell is not None:
            raise Enough

    with pytest.raises(Enough):
        flatenn.campaign(
            lenet, data, rates=[0.01], trials=3000, store=store, threads=1, progress=stop
        )
    before = len(flatenn.load_results(store).trials)
    assert 0 < before < 3000
    calls: list[tuple[int, int]] = []
    whole = flatenn.campaign(
        lenet, data, rates=[0.01], trials=3000, store=store,
        progress=lambda done, wanted, cell: calls.append((done, wanted)),
    )  # fmt: skip
    assert calls[0][0] == before and calls[-1] == (3000, 3000)
    assert whole.cells[0]["trials"] == 3000 and whole.ending == "done"
    fresh = flatenn.campaign(lenet, data, rates=[0.01], trials=3000)
    assert fresh.cells == whole.cells
    with pytest.raises(flatenn.Error, match="means something else"):
        flatenn.campaign(lenet, data, rates=[0.02], trials=5, store=store)


def test_several_networks_are_compared(lenet: flatenn.Network) -> None:
    worse = lenet.with_faults(flatenn.FaultMap.draw(lenet, rate=0.2))
    images = random_images(lenet, 100)
    labels = lenet.run(images).argmax(1)
    results = flatenn.campaign(
        {"good": lenet, "bad": worse}, (images, labels), rates=[0.001], trials=4
    )
    assert results.models["name"] == ["good", "bad"]
    means = results.cells["mean"]
    assert results.pairs[0]["difference"] == pytest.approx(means[1] - means[0])
    assert results.models["golden_accuracy"][0] == 1


def test_single_faults(lenet: flatenn.Network) -> None:
    images, labels = random_images(lenet, 20), random_labels(lenet, 20)
    model = flatenn.FaultModel(layers="conv1", bits=[-1])
    results = flatenn.campaign(
        lenet, (images, labels), model=model, single_fault="exhaustive", store=None
    )
    assert sum(row["tried"] for row in results.strata if row["bit"] == 3) == 150
    assert len(results.trials) == 150
    assert "critical" in results.to_pandas().columns


def test_strata_of_rare_faults(lenet: flatenn.Network) -> None:
    images, labels = random_images(lenet, 20), random_labels(lenet, 20)
    results = flatenn.campaign(
        lenet, (images, labels), rates=[1e-6], trials=80, settings={"estimator": "stratified"}
    )
    strata = results.strata
    assert sum(strata["weight"]) == pytest.approx(1)
    assert strata["class"][0] == "none" and sum(strata["trials"]) == 80
    golden = results.models["golden_accuracy"][0]
    means = [golden if mean is None else mean for mean in strata["mean"]]
    weighted = sum(weight * mean for weight, mean in zip(strata["weight"], means))
    assert results.cells["mean"][0] == pytest.approx(weighted)
    assert len(results.to_pandas("strata")) == len(strata)


def test_counts_and_models_and_half_widths(
    lenet: flatenn.Network, data: tuple[np.ndarray, np.ndarray]
) -> None:
    results = flatenn.campaign(lenet, data, counts=[1, 100], trials=3)
    assert results.cells["count"] == [1, 100] and results.trials["drawn"] == [1] * 3 + [100] * 3
    model = flatenn.FaultModel("stuck_at_1", layers="fc5", encoding="gray")
    results = flatenn.campaign(
        lenet, data, kinds="stuck_at_1", rates=0.01, model=model, half_width=0.05, images=50
    )
    assert results.cells[0]["images"] == 50 and results.cells[0]["stop"] == "half-width"


def test_data_come_in_many_forms(
    lenet: flatenn.Network, data: tuple[np.ndarray, np.ndarray]
) -> None:
    x, y = data

    class Map:
        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
            return x[i], int(y[i])

    expected = flatenn.campaign(lenet, (x, y), rates=0.01, trials=2).cells["mean"]
    batches = ((x[i : i + 64], y[i : i + 64]) for i in range(0, 300, 64))
    for form in (Map(), list(zip(x, y)), batches, flatenn.Images(x, y)):
        got = flatenn.campaign(lenet, form, rates=0.01, trials=2)
        assert got.cells["mean"] == expected
    with pytest.raises(ValueError, match="data.*only once"):
        flatenn.campaign(lenet, batches, rates=0.01, trials=2)


def test_a_metric_of_ones_own(lenet: flatenn.Network, tmp_path: pathlib.Path) -> None:
    """Accuracy as a user's metric gives flatenn's own numbers."""
    images, labels = random_images(lenet, 80), random_labels(lenet, 80)
    calls = []

    def evaluate(network: flatenn.Network) -> np.ndarray:
        calls.append(network)
        return network.run(images).argmax(1) == labels

    own = flatenn.campaign(lenet, (images, labels), rates=RATES, trials=5, seed=2)
    store = tmp_path / "m.db"
    metric = flatenn.campaign(
        lenet, evaluate=evaluate, rates=RATES, trials=5, seed=2, store=store
    )
    for a, b in zip(own.cells, metric.cells):
        for key in ("golden", "mean", "sd", "ci_low", "drawn"):
            assert b[key] == pytest.approx(a[key]), key
    assert len(calls) == 11
    again = flatenn.campaign(
        lenet, evaluate=evaluate, rates=RATES, trials=7, seed=2, store=store
    )
    assert len(calls) == 15 and again.trials[0] == metric.trials[0]
    assert pickle.loads(pickle.dumps(again)).cells == again.cells
    assert "<table>" in again._repr_html_() and len(again.to_pandas("trials")) == 14
    assert again.fingerprint == metric.fingerprint
    with pytest.raises(ValueError, match="means something else.*seed"):
        flatenn.campaign(lenet, evaluate=evaluate, rates=RATES, trials=7, seed=3, store=store)
    for bad in ("text", [[1.0]], [], [float("nan")]):
        with pytest.raises((TypeError, ValueError), match="evaluate"):
            flatenn.campaign(lenet, evaluate=lambda network, bad=bad: bad, rates=0.1, trials=1)


def test_a_metric_has_a_page_too(lenet: flatenn.Network, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("matplotlib")
    results = flatenn.campaign(
        lenet, evaluate=lambda network: network.weights(0).mean(), rates=RATES, trials=3, seed=7
    )
    told = results.report(tmp_path / "m.html", "<Mine>", ylabel="mean code")
    for call in (results.plot, lambda ylabel: results.report(tmp_path / "n.html", ylabel=ylabel)):
        with pytest.raises(TypeError, match="ylabel: expected a str"):
            call(ylabel=3)
    assert not (tmp_path / "n.html").exists()
    page = pathlib.Path(told).read_text()
    assert page.startswith("<!doctype html>") and "&lt;Mine&gt;" in page and "<svg" in page
    assert lenet.hash in page and f"{results.cells[1]['mean']:.6g}" in page
    names = r'xmlns(:\w+)?="[^"]*"|<metadata>.*?</metadata>'
    assert "http" not in re.sub(names, "", page, flags=re.DOTALL)  # it opens offline


def test_everything_that_the_command_takes(
    lenet: flatenn.Network, program: str, tmp_path: pathlib.Path
) -> None:
    """A search, and keys of a plan: the same rows as the command's, and tables that tell them."""
    lenet = lenet.named("lenet")
    x = random_images(lenet, 60)
    data = (x, lenet.run(x).argmax(1))
    found = flatenn.campaign(
        lenet, data, find_tolerable=0.05, within=2, trials=8, store=tmp_path / "r.db"
    )
    (row,) = found.tolerable_rates
    rates = set(found.cells["rate"])
    assert 0 < row["rate"] < 1 and len(rates) == len(found.cells) > 1
    assert set(found.trials["rate"]) == rates
    for cell in found.cells:
        right = [t["correct"] for t in found.trials if t["rate"] == cell["rate"]]
        assert np.mean(right) / 60 == pytest.approx(cell["mean"])
    told = json.loads(
        subprocess.run(
            [program, "results", tmp_path / "r.db", "--json"], check=True, capture_output=True
        ).stdout
    )
    assert told[0] == found.to_dict()
    table = tmp_path / "volts.csv"
    table.write_text("voltage,rate\n0.6,0.05\n0.7,0.01\n0.8,0.001\n")
    by_voltage = flatenn.campaign(
        lenet, data, trials=2, settings={"voltages": [0.6, 0.8], "voltage_table": str(table)}
    )
    assert by_voltage.cells["voltage"] == [0.8, 0.6] and by_voltage.cells["rate"] == [0.001, 0.05]
    assert set(by_voltage.trials["voltage"]) == {0.6, 0.8}
    with pytest.raises(ValueError, match="settings: 'trials' is an argument"):
        flatenn.campaign(lenet, data, settings={"trials": 3})
    with pytest.raises(TypeError, match="settings.voltages: expected .* list or table"):
        flatenn.campaign(lenet, data, settings={"voltages": {0.6}})
    with pytest.raises(flatenn.Error, match="colour"):
        flatenn.campaign(lenet, data, settings={"colour": 3})
    with pytest.raises(ValueError, match="first_images: is of data sets that are named"):
        flatenn.campaign(lenet, data, first_images=5)
