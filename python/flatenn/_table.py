"""Rows with named columns, shown well in terminals and notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from flatenn._optional import need

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_SHOWN = 60


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return "x".join(str(item) for item in value)
    return str(value)


class Table(Sequence[dict[str, Any]]):
    """A read-only sequence of rows; each row is a dict with the same keys.

    ``len(table)``, ``table[3]`` and ``for row in table`` are as for a list; ``table["name"]`` is
    one column as a list.
    """

    def __init__(self, rows: Sequence[dict[str, Any]], columns: Sequence[str] = ()) -> None:
        self._rows = list(rows)
        self._columns = list(columns) or (list(self._rows[0]) if self._rows else [])

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._columns)

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> Table: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, str):
            if key not in self._columns:
                raise KeyError(f"no column {key!r}; there are {', '.join(self._columns)}")
            return [row.get(key) for row in self._rows]
        if isinstance(key, slice):
            return Table(self._rows[key], self._columns)
        return dict(self._rows[key])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(row) for row in self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self._columns == other._columns and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas.DataFrame. ImportError where pandas is not installed."""
        frame: pd.DataFrame = need("pandas", "to_pandas", "pandas").DataFrame(
            self._rows, columns=self._columns
        )
        return frame

    def to_polars(self) -> pl.DataFrame:
        """The rows as a polars.DataFrame. ImportError where polars is not installed."""
        data = {name: [row.get(name) for row in self._rows] for name in self._columns}
        frame: pl.DataFrame = need("polars", "to_polars", "polars").DataFrame(data, strict=False)
        return frame

    def __repr__(self) -> str:
        lines = [self._columns] + [
            [_text(row.get(name)) for name in self._columns] for row in self._rows[:_SHOWN]
        ]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self._columns))]
        text = "\n".join(
            "  ".join(field.ljust(width) for field, width in zip(line, widths)).rstrip()
            for line in lines
        )
        more = len(self._rows) - _SHOWN
        return text + (f"\n... {more} more rows" if more > 0 else "")

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self._columns)
        body = "".join(
            "<tr>"
            + "".join(f"<td>{html.escape(_text(row.get(name)))}</td>" for name in self._columns)
            + "</tr>"
            for row in self._rows[:_SHOWN]
        )
        more = len(self._rows) - _SHOWN
        note = f"<p>{more} more rows</p>" if more > 0 else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
