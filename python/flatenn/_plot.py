"""Accuracy, or any metric, over the fault rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatenn._arguments import describe
from flatenn._arguments import text as checked_text
from flatenn._optional import need
from flatenn._table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, as in flatenn's report.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vx"


def _expect_axes(ax: object) -> None:
    if not isinstance(ax, need("matplotlib.axes", "plot", "plot").Axes):
        raise TypeError(f"ax: expected the Axes of a figure, got {describe(ax)}")


def plot_cells(
    cells: Table, kind: str | None, ax: Axes | None, ylabel: str, factor: float
) -> Axes:
    ylabel = checked_text("ylabel", ylabel)
    kinds = list(dict.fromkeys(cells["kind"])) if len(cells) else []
    if not kinds or cells["rate"][0] is None and cells["count"][0] is None:
        raise ValueError("plot: there are no rates to plot over in this campaign")
    if kind is not None and kind not in kinds:
        raise ValueError(f"kind: expected one of {', '.join(kinds)}, got {kind!r}")
    if ax is None:
        _, ax = need("matplotlib.pyplot", "plot", "plot").subplots(layout="constrained")
    assert ax is not None
    _expect_axes(ax)
    by_count = cells["rate"][0] is None
    axis = "count" if by_count else "rate"
    for m, model in enumerate(dict.fromkeys(cells["model"])):
        for k, one in enumerate(kinds if kind is None else [kind]):
            rows = [r for r in cells if r["model"] == model and r["kind"] == one]
            _line(ax, rows, axis, factor, f"{model}, {one}", m, k)
            if k == 0 and "golden" in cells.columns:
                colour = _COLOURS[m % len(_COLOURS)]
                ax.axhline(factor * rows[0]["golden"], color=colour, lw=0.8, ls=":")
    ax.set_xlabel("faults" if by_count else "bit error rate")
    if all(value > 0 for value in cells[axis]):
        ax.set_xscale("log")
    ax.set_ylabel(ylabel)
    ax.legend()
    return ax


def _line(
    ax: Axes, rows: list[dict[str, Any]], axis: str, factor: float, label: str, m: int, k: int
) -> None:
    rows = [row for row in rows if row["mean"] is not None]
    x = [row[axis] for row in rows]
    y = [factor * row["mean"] for row in rows]
    low = [factor * (row["mean"] if row["ci_low"] is None else row["ci_low"]) for row in rows]
    high = [factor * (row["mean"] if row["ci_high"] is None else row["ci_high"]) for row in rows]
    colour, style = _COLOURS[m % len(_COLOURS)], ("-", "--", ":", "-.")[k % 4]
    ax.plot(x, y, color=colour, ls=style, marker=_MARKERS[m % len(_MARKERS)], label=label)
    ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
