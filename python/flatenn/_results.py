"""What a result file says."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flatenn import _core
from flatenn._arguments import NotThere, expect, expect_other_file, file_to_write, path
from flatenn._arguments import text as checked_text
from flatenn._temporary import TemporaryFolder
from flatenn._table import Table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.axes import Axes

_CELL = (
    "model", "kind", "rate", "count", "trials", "images", "golden", "mean", "ci_low", "ci_high",
    "sd", "median", "min", "p5", "skew", "skew_low", "skew_high", "yield", "yield_low",
    "yield_high", "mean_loss", "identical", "masked", "sdc1", "sdc1_right", "sdc1_wrong", "drawn",
    "landed", "stop",
)  # fmt: skip
_SHOWN = ("model", "kind", "level", "trials", "mean", "ci_low", "ci_high", "sd", "min", "sdc1")


def _level(level: dict[str, Any]) -> dict[str, Any]:
    """A rate or count, and the supply voltage that gave the rate where one did."""
    told = {"rate": level.get("rate"), "count": level.get("count")}
    return told if "voltage" not in level else {**told, "voltage": level["voltage"]}


def _ends(interval: Sequence[float] | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval[0], interval[1])


class Results:
    """One plan of a result file: every statistic, computed by flatenn from the stored trials.

    Accuracies, shares and differences are in [0, 1]; rates are per stored bit. Made by
    :func:`flatenn.campaign` and :func:`flatenn.load_results`. Pickles with its numbers (a
    temporary result file stays behind). A context manager; :meth:`close` lets go of the file.
    """

    def __init__(
        self,
        store: str,
        name: str,
        temporary: TemporaryFolder | None = None,
        run: dict[str, Any] | None = None,
    ) -> None:
        self._store, self._temporary = store, temporary
        self._run = run or {}
        self._closed = False
        plans = {plan["plan"]: plan for plan in map(json.loads, _core.results(store))}
        if name not in plans:
            raise NotThere(f"name: {store} holds no plan {name!r}; there are {', '.join(plans)}")
        self._plan: dict[str, Any] = plans[name]

    @property
    def name(self) -> str:
        """Name of the plan."""
        return str(self._plan["plan"])

    @property
    def store(self) -> str:
        """Path of the result file."""
        return self._store

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings that decide the result."""
        return str(self._plan["fingerprint"])

    @property
    def ending(self) -> str:
        """How the run that made these results ended: "done", "time limit"; "" for loaded ones."""
        return str(self._run.get("ending", ""))

    @property
    def seconds(self) -> float:
        """Seconds that the run took; 0 for loaded results."""
        return float(self._run.get("seconds", 0.0))

    @property
    def engine(self) -> str:
        """The engine that ran; "" where nothing was left to run."""
        return str(self._run.get("engine", ""))

    @property
    def cells(self) -> Table:
        """One row a model, kind and rate (with its voltage, where voltages were asked for). `mean`
        is the mean accuracy over fault maps, ci_low and ci_high its 95 % Student-t interval
        (skew_low, skew_high: Hall's, where the sample is skewed); `golden` the accuracy without
        faults. Empty for single faults."""
        golden = {model["name"]: model["golden_accuracy"] for model in self._plan["models"]}
        rows = []
        for cell in self._plan["cells"]:
            row = {**cell, **_level(cell["level"])}
            row["golden"] = golden[cell["model"]]
            row["ci_low"], row["ci_high"] = _ends(cell["ci"])
            row["skew_low"], row["skew_high"] = _ends(cell["skew_ci"])
            row["yield_low"], row["yield_high"] = _ends(cell["yield_ci"])
            rows.append({name: row[name] for name in row if name in _CELL or name == "voltage"})
        at = _CELL.index("count") + 1
        voltage = ("voltage",) if any("voltage" in row for row in rows) else ()
        return Table(rows, (*_CELL[:at], *voltage, *_CELL[at:]))

    @property
    def pairs(self) -> Table:
        """One row a pair of models, kind and rate: accuracy of model_b minus model_a on common
        maps, with 95 % interval, p_value and holm_p_value (adjusted over the plan)."""
        return Table([_flat(row) for row in self._plan["pairs"]])

    @property
    def tolerable_rates(self) -> Table:
        """One row a model and kind: the largest rate that costs at most the tolerated drop."""
        return Table([_flat(row) for row in self._plan["tolerable_rates"]])

    @property
    def strata(self) -> Table:
        """Single-fault campaigns: one row a layer and bit, with the share of critical faults.
        Stratified campaigns: one row a cell and class of bits, with its `weight` among all maps
        and what its own trials say; maps of class "none" change nothing and need no trial."""
        if self._plan["strata"]:
            return Table([_flat(row) for row in self._plan["strata"]])
        rows = []
        for cell in self._plan["cells"]:
            place = {"model": cell["model"], "kind": cell["kind"], **_level(cell["level"])}
            untouched = {"class": "none", "bits": 0, "weight": cell.get("untouched"), "trials": 0}
            for stratum in [untouched, *cell["map_strata"]] if "map_strata" in cell else []:
                rows.append({**place, "mean": None, "sd": None, "yield": None, **stratum})
        return Table(rows)

    @property
    def models(self) -> Table:
        """One row a model: name, hash, golden_accuracy, golden_loss, weight_bits, path."""
        names = ("name", "hash", "golden_accuracy", "golden_loss", "weight_bits", "path")
        return Table([{key: row[key] for key in names} for row in self._plan["models"]], names)

    @property
    def trials(self) -> Table:
        """One row a finished trial as the file holds it, with the model, kind and rate or count
        of its cell (for single faults: layer and bit). Counts are images."""
        columns, stored = _core.trials(self._open(), self.name)
        cells = self._told_cells(stored)
        keys = [key for key in columns if key != "cell"]
        lists = {key: values.tolist() for key, values in columns.items()}
        return Table([
            {**cells[cell], **{key: lists[key][i] for key in keys}}
            for i, cell in enumerate(lists["cell"])
        ], [*next(iter(cells.values()), ()), *keys])  # fmt: skip

    def _told_cells(self, stored: list[dict[str, int]]) -> dict[int, dict[str, Any]]:
        """What a trial's row says of its cell, by the cell's number."""
        if self._plan["strata"]:
            strata = [s for s in self._plan["strata"] if s["bit"] != "all"]
            keys = ("model", "kind", "layer", "bit")
            return {i: {key: s[key] for key in keys} for i, s in enumerate(strata)}
        models = [model["name"] for model in self._plan["models"]]
        levels = self._plan["settings"]["levels"]  # of a search, also those that were not looked at
        return {
            cell["cell"]: {
                "model": models[cell["model"]], "kind": self._plan["kinds"][cell["kind"]],
                **_level(levels[cell["level"]]),
            }
            for cell in stored
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything, as ``flatenn results --json`` prints it."""
        copy: dict[str, Any] = json.loads(json.dumps(self._plan))
        return copy

    def table(self, what: str = "cells") -> Table:
        """"cells", "trials", "pairs", "tolerable_rates", "strata" or "models"."""
        names = ("cells", "trials", "pairs", "tolerable_rates", "strata", "models")
        expect("what", what, str, "a str")
        if what not in names:
            raise ValueError(f"what: expected one of {', '.join(names)}, got {what!r}")
        if what == "cells" and not self._plan["cells"]:
            what = "strata"
        table: Table = getattr(self, what)
        return table

    def to_pandas(self, what: str = "cells") -> pd.DataFrame:
        """A :meth:`table` as a pandas.DataFrame."""
        return self.table(what).to_pandas()

    def to_polars(self, what: str = "cells") -> pl.DataFrame:
        """A :meth:`table` as a polars.DataFrame."""
        return self.table(what).to_polars()

    def plot(self, *, kind: str | None = None, ax: Axes | None = None) -> Axes:
        """Mean accuracy in percent with its 95 % interval over the rate (or the number of faults),
        one line a model and kind, by matplotlib.

        :param kind: only this kind of fault.
        :param ax: draw here; by default on new axes.
        :returns: the axes.
        """
        from flatenn._plot import plot_cells

        return plot_cells(self.cells, kind, ax, ylabel="accuracy (%)", factor=100.0)

    def report(self, file: str | os.PathLike[str], title: str | None = None) -> str:
        """Writes one self-contained HTML page that opens offline; returns its path."""
        text = file_to_write("file", file)
        expect_other_file("file", text, self._store)
        heading = checked_text("title", self.name if title is None else title)
        page = _core.report([self._open()], heading)
        with open(text, "w", encoding="utf-8") as out:
            out.write(page)
        return text

    def latex(self, *, caption: str | None = None, label: str | None = None) -> str:
        """A booktabs table of mean accuracies in percent with the interval's half-width: a row a
        model and kind, a column a rate."""
        from flatenn._latex import cells_to_latex

        return cells_to_latex(self.cells, caption, label, factor=100.0)

    def save_copy(self, file: str | os.PathLike[str]) -> None:
        """All of the result file in a new one, whoever writes to it meanwhile."""
        _core.save_copy(self._open(), path("file", file))

    def refresh(self) -> Results:
        """The plan as its file tells it now."""
        return Results(self._open(), self.name, self._temporary, self._run)

    def close(self) -> None:
        """Lets go of the file; a temporary one is removed. Numbers already read stay."""
        self._closed = True
        if self._temporary is not None:
            self._temporary.remove()

    def _open(self) -> str:
        if self._closed:
            raise ValueError(f"results: the store {self._store} is closed")
        if not os.path.exists(self._store):
            raise FileNotFoundError(f"results: the store {self._store} is no longer there")
        return self._store

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._plan["cells"] or self._plan["strata"])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_temporary": None}

    def _shown(self) -> Table:
        if not self._plan["cells"]:
            return self.strata
        labels = [cell["level"]["label"] for cell in self._plan["cells"]]
        return Table(
            [{**row, "level": text} for row, text in zip(self.cells, labels)], _SHOWN
        )

    def __repr__(self) -> str:
        head = f"flatenn.Results {self.name!r} of {self._store}"
        return f"{head}\n{self._shown()!r}"

    def _repr_html_(self) -> str:
        head = f"<p>Results <b>{html.escape(self.name)}</b> of {html.escape(self._store)}</p>"
        return head + self._shown()._repr_html_()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the library's JSON without nesting."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key == "level":
            flat.update(_level(value))
        elif key == "ci":
            flat["ci_low"], flat["ci_high"] = _ends(value)
        elif key != "reproduce":
            flat[key] = value
    return flat


def load_results(store: str | os.PathLike[str], name: str | None = None) -> Results:
    """The results of a file that a campaign wrote.

    :param name: of the plan; may be left out where the file holds one.
    :raises FileNotFoundError, flatenn.Error: where it is not there, or no result file.
    """
    text = path("store", store, exists=True)
    if name is None:
        names = [json.loads(plan)["plan"] for plan in _core.results(text)]
        if len(names) != 1:
            raise ValueError(f"name: {text} holds {len(names)} plans ({', '.join(names)}); name one")
        name = names[0]
    return Results(text, checked_text("name", name))
