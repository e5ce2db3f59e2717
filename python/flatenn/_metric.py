"""Campaigns of a user's own metric: detection, segmentation, regression, anything."""

from __future__ import annotations

import hashlib
import html
import json
import os
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from flatenn import _core
from flatenn._arguments import array, describe, expect_other_file, file_to_write
from flatenn._arguments import text as checked_text
from flatenn._fault_model import FaultModel
from flatenn._faults import FaultMap
from flatenn._network import Network
from flatenn._table import Table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.axes import Axes

_SCHEMA = """
create table if not exists metric_plan(
  id integer primary key, name text not null unique, fingerprint text not null,
  settings text not null);
create table if not exists metric_trial(
  plan integer not null references metric_plan(id), cell integer not null, trial integer not null,
  images integer not null, value real not null, drawn integer not null, landed integer not null,
  primary key (plan, cell, trial)) without rowid;
"""
#: Trial number of the pass without faults.
_GOLDEN = -1
_SHOWN = ("model", "kind", "rate", "count", "trials", "golden", "mean", "ci_low", "ci_high", "sd",
          "median", "min", "p5", "skew", "skew_low", "skew_high", "drawn", "landed")  # fmt: skip

Report = Callable[[int, int, "dict[str, Any] | None"], object]


class MetricResults:
    """What :func:`flatenn.campaign` with `evaluate` measured: the mean over images of a metric,
    for each fault map. Intervals are of the mean over maps, 95 %, as for accuracies. Pickles."""

    def __init__(
        self, name: str, store: str, cells: list[dict[str, Any]], settings: dict[str, Any]
    ) -> None:
        self._name, self._store, self._cells, self._settings = name, store, cells, settings

    @property
    def name(self) -> str:
        """Name of the plan."""
        return self._name

    @property
    def store(self) -> str:
        """Path of the file that keeps the trials; "" without one."""
        return self._store

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings that decide the result, as far as flatenn knows them."""
        return _fingerprint(self._settings)

    @property
    def cells(self) -> Table:
        """One row a network, kind and rate: `golden` without faults, `mean` over maps, ci_low and
        ci_high (95 %, Student-t), sd, median, min, p5, drawn, landed."""
        rows = []
        for cell in self._cells:
            row = {**cell, **_core.summary([trial["value"] for trial in cell["trials"]])}
            for key in ("drawn", "landed"):
                row[key] = float(np.mean([trial[key] for trial in cell["trials"]]))
            for key in ("ci_low", "ci_high", "skew_low", "skew_high"):
                row[key] = row[key] if np.isfinite(row[key]) else None
            rows.append({key: row[key] for key in _SHOWN})
        return Table(rows, _SHOWN)

    @property
    def trials(self) -> Table:
        """One row a trial: model, kind, rate, count, trial, images, value, drawn, landed."""
        keys = ("model", "kind", "rate", "count")
        return Table(
            [{**{k: c[k] for k in keys}, **trial} for c in self._cells for trial in c["trials"]],
            (*keys, "trial", "images", "value", "drawn", "landed"),
        )

    def to_pandas(self, what: str = "cells") -> pd.DataFrame:
        """"cells" or "trials" as a pandas.DataFrame."""
        return self._table(what).to_pandas()

    def to_polars(self, what: str = "cells") -> pl.DataFrame:
        """"cells" or "trials" as a polars.DataFrame."""
        return self._table(what).to_polars()

    def plot(
        self, *, kind: str | None = None, ax: Axes | None = None, ylabel: str = "metric"
    ) -> Axes:
        """Mean metric with its 95 % interval over the rate, by matplotlib; returns the axes."""
        from flatenn._plot import plot_cells

        return plot_cells(self.cells, kind, ax, ylabel, factor=1.0)

    def latex(self, *, caption: str | None = None, label: str | None = None) -> str:
        """A booktabs table of means with half of their intervals."""
        from flatenn._latex import cells_to_latex

        return cells_to_latex(self.cells, caption, label, factor=1.0, digits=4)

    def report(
        self, file: str | os.PathLike[str], title: str | None = None, *, ylabel: str = "metric"
    ) -> str:
        """Writes one self-contained HTML page that opens offline (figure, table, settings), and
        returns its path. ImportError where matplotlib is not installed."""
        from flatenn._page import metric_page

        text = file_to_write("file", file)
        expect_other_file("file", text, self._store)
        heading = checked_text("title", self._name if title is None else title)
        page = metric_page(heading, self.cells, self._settings, checked_text("ylabel", ylabel))
        with open(text, "w", encoding="utf-8") as out:
            out.write(page)
        return text

    def _table(self, what: str) -> Table:
        if what not in ("cells", "trials"):
            raise ValueError(f"what: expected cells or trials, got {what!r}")
        return self.cells if what == "cells" else self.trials

    def __repr__(self) -> str:
        return f"flatenn.MetricResults {self._name!r}\n{self.cells!r}"

    def _repr_html_(self) -> str:
        return f"<p>Results <b>{html.escape(self._name)}</b></p>{self.cells._repr_html_()}"


def _fingerprint(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _connect(file: str | None) -> sqlite3.Connection:
    try:
        place = ":memory:" if file is None else os.path.abspath(file)
        return sqlite3.connect(place, isolation_level=None)
    except (sqlite3.Error, ValueError) as error:
        raise ValueError(f"store: {file!r}: {error}") from None


class _Store:
    """Finished trials in SQLite, one transaction each; in memory without a path."""

    def __init__(self, file: str | None, name: str, settings: dict[str, Any]) -> None:
        text, mark = json.dumps(settings, sort_keys=True), _fingerprint(settings)
        self._connection = _connect(file)
        try:
            tables = self._rows("select name from sqlite_master where type = 'table'")
            if tables and ("metric_plan",) not in tables:
                raise ValueError(f"store: {file} holds no trials of a user's own metric; give "
                                 "another file")  # fmt: skip
            self._connection.executescript(_SCHEMA)
            self._connection.execute(
                "insert or ignore into metric_plan(name, fingerprint, settings) values (?, ?, ?)",
                (name, mark, text),
            )
            (self._plan, stored, old), = self._rows(
                "select id, fingerprint, settings from metric_plan where name = ?", name
            )  # fmt: skip
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ValueError(f"store: {file}: {error}") from None
        except ValueError:
            self._connection.close()
            raise
        if stored != mark:
            self._connection.close()
            before = json.loads(old)
            key = next(k for k in settings if before.get(k) != settings[k])
            raise ValueError(
                f"store: plan {name!r} means something else there: {key} is {before.get(key)}, "
                f"{settings[key]} now; give another name or file"
            )

    def _rows(self, query: str, *values: object) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def find(self, cell: int, trial: int) -> dict[str, Any] | None:
        rows = self._rows(
            "select images, value, drawn, landed from metric_trial"
            " where plan = ? and cell = ? and trial = ?",
            self._plan, cell, trial,
        )  # fmt: skip
        if not rows:
            return None
        return {"trial": trial, **dict(zip(("images", "value", "drawn", "landed"), rows[0]))}

    def add(self, cell: int, row: dict[str, Any]) -> None:
        self._connection.execute(
            "insert or ignore into metric_trial values (?, ?, ?, ?, ?, ?, ?)",
            (self._plan, cell, row["trial"], row["images"], row["value"], row["drawn"],
             row["landed"]),
        )  # fmt: skip

    def close(self) -> None:
        self._connection.close()


def _measured(
    evaluate: Callable[[Network], Any], network: Network, images: int | None = None
) -> tuple[int, float]:
    """Number of images (`images`, where that is known) and mean of the metric."""
    value = evaluate(network)
    try:
        given = np.atleast_1d(array("evaluate", value))
        if given.dtype.kind not in "biuf" or isinstance(given, np.ma.MaskedArray):
            raise TypeError
        values = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"evaluate: expected a number for each image, or one number, got {describe(value)}"
        ) from None
    if values.ndim != 1 or not len(values):
        raise ValueError(
            f"evaluate: expected one number for each image, got the shape {values.shape}"
        )
    if images not in (None, len(values)):
        raise ValueError(
            f"evaluate: gave numbers for {images} images without faults, and for {len(values)} now"
        )
    with np.errstate(over="ignore"):
        mean = float(values.mean())
    if not np.isfinite(values).all() or not np.isfinite(mean):
        raise ValueError("evaluate: gave numbers whose mean is not finite")
    return len(values), mean


def run_metric_campaign(
    nets: list[Network],
    evaluate: Callable[[Network], Any],
    kinds: list[str],
    levels: dict[str, Any],
    model: FaultModel,
    trials: int,
    seed: int,
    file: str | None,
    name: str,
    report: Report | None,
) -> MetricResults:
    """What flatenn.campaign does with `evaluate`."""
    axis = "counts" if "counts" in levels else "rates"
    values: list[Any] = sorted(levels.get(axis, [0.001, 0.01]))
    if not model.follows_rate:
        values = [None]  # the sources say how many
    names = _unique([net.name or os.path.basename(net.path) or "network" for net in nets])
    settings: dict[str, Any] = {
        "networks": [net.hash for net in nets], "kinds": kinds, axis: values, "seed": seed,
        "model": model.to_dict(),
    }  # fmt: skip
    named_kinds: list[str | None] = [*kinds] or [None]
    store = _Store(file, name, settings)
    cells: list[dict[str, Any]] = []
    done, wanted = 0, len(nets) * len(named_kinds) * len(values) * trials
    try:
        for n, net in enumerate(nets):
            for k, kind in enumerate(named_kinds):
                of_kind = model if kind is None else model.with_kind(kind)
                told = kind or "faults"
                images, golden = _golden(store, evaluate, net, of_kind, n * len(named_kinds) + k)
                for level, value in enumerate(values):
                    number = (n * len(named_kinds) + k) * len(values) + level
                    draw = {} if value is None else {axis.removesuffix("s"): value}
                    level_text = "" if value is None else f" {value:g}"
                    rows: list[dict[str, Any]] = []
                    cell = {"model": names[n], "kind": told, "rate": draw.get("rate"),
                            "count": draw.get("count"), "golden": golden, "trials": rows}  # fmt: skip
                    for trial in range(trials):
                        row = store.find(number, trial)
                        if row is None:
                            fault_map = FaultMap.draw(
                                net, seed=seed, trial=trial, model=of_kind, **draw
                            )
                            row = _trial(evaluate, net, fault_map, trial, images)
                            store.add(number, row)
                        rows.append(row)
                        done += 1
                        if report is not None:
                            mean = float(np.mean([r["value"] for r in rows]))
                            report(done, wanted, {
                                "label": f"{names[n]} {told}{level_text}", "trials": trial + 1,
                                "wanted": trials, "accuracy": mean, "low": mean, "high": mean,
                            })  # fmt: skip
                    cells.append(cell)
    finally:
        store.close()
    return MetricResults(name, file or "", cells, settings)


def _golden(
    store: _Store, evaluate: Callable[[Network], Any], net: Network, model: FaultModel, cell: int
) -> tuple[int, float]:
    """Images and metric without faults, of the network as this memory stores it."""
    row = store.find(cell, _GOLDEN)
    if row is None:
        stored = net.with_faults(FaultMap._without_faults(net, model))
        images, value = _measured(evaluate, stored)
        row = {"trial": _GOLDEN, "images": images, "value": value, "drawn": 0, "landed": 0}
        store.add(cell, row)
    return int(row["images"]), float(row["value"])


def _trial(
    evaluate: Callable[[Network], Any], net: Network, fault_map: FaultMap, trial: int, images: int
) -> dict[str, Any]:
    counts = fault_map.counts
    images, value = _measured(evaluate, net.with_faults(fault_map), images)
    return {"trial": trial, "images": images, "value": value, "drawn": counts["drawn"],
            "landed": counts["landed"]}  # fmt: skip


def _unique(names: list[str]) -> list[str]:
    result: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in result:
            number += 1
            candidate = f"{name}-{number}"
        result.append(candidate)
    return result
