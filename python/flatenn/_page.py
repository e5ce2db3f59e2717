"""One HTML page of a campaign with a user's own metric."""

from __future__ import annotations

import html
import io
import json
from typing import Any

from flatenn._optional import need
from flatenn._plot import plot_cells
from flatenn._table import Table

_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; }
body { padding: 0 1rem; }
table { border-collapse: collapse; font-size: 0.875rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ccc; padding: 0.25rem 0.75rem; text-align: left; }
svg { max-width: 100%; height: auto; }"""


def _figure(cells: Table, ylabel: str) -> str:
    """An SVG element."""
    figures = need("matplotlib.figure", "MetricResults.report", "plot")
    figure = figures.Figure(layout="constrained")
    plot_cells(cells, None, figure.subplots(), ylabel, factor=1.0)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _settings(settings: dict[str, Any]) -> Table:
    rows = [
        {"setting": key, "value": value if isinstance(value, str) else json.dumps(value)}
        for key, value in settings.items()
    ]
    return Table(rows, ("setting", "value"))


def metric_page(title: str, cells: Table, settings: dict[str, Any], ylabel: str) -> str:
    """Figure, table and settings; opens offline."""
    head = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{head}</title>\n"
        f"<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{head}</h1>\n"
        "<p>Mean of the metric over the images, and its mean over fault maps with the 95 % "
        "interval.</p>\n"
        f"<figure>{_figure(cells, ylabel)}</figure>\n{cells._repr_html_()}\n"
        f"<h2>Settings</h2>\n{_settings(settings)._repr_html_()}\n</body>\n</html>\n"
    )
