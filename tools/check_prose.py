#!/usr/bin/env python3
"""Recomputes numbers in prose from the CSV files they were read from.

A page ties a number to its table by a comment behind it, which Markdown does not show:

    3.6 points<!--= one("differences.csv", "difference_points", kind="bit flips", ...) -->

The last number before the comment must be the value of the expression, rounded to the digits that
stand there. A sentence without a number is tied by a question that must be true:

    SAQ keeps all of it<!--? one(...) >= one(...) -->

Expressions are Python with abs, all, any, len, max, min, round, sum and these functions:
    col(file, column, **filters)   the column's values where every filter column has that text
                                   (numbers where they are numbers; "prefix*" matches beginnings)
    one(file, column, **filters)   the only such value
    mean(values)
    cell(table, row, column, which=1)   the which-th number of a cell of a table of the page itself:
                                        tables and rows from 1 on (a row also by the beginning of
                                        its first cell), columns from 1 on or by their name
Files are found in the folder named like the page, then beside it.

    check_prose.py PAGE...         prints each difference; exit code 1 where there is any
"""

import csv
import pathlib
import re
import sys

MARKER = re.compile(r"<!--([=?])\s*(.*?)\s*-->", re.DOTALL)
NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?")


def as_number(text):
    try:
        return float(text)
    except ValueError:
        return text


def matches(cell, wanted):
    if isinstance(wanted, (int, float)):
        return as_number(cell) == wanted
    if wanted.endswith("*"):
        return cell.startswith(wanted[:-1])
    return cell == wanted


class Tables:
    """The CSV files of one page."""

    def __init__(self, page):
        self.folders = [page.with_suffix(""), page.parent]
        self.read = {}

    def rows(self, name):
        if name not in self.read:
            paths = [folder / name for folder in self.folders if (folder / name).is_file()]
            if not paths:
                raise LookupError(f"no file {name}")
            with open(paths[0], newline="", encoding="utf-8") as file:
                self.read[name] = list(csv.DictReader(file))
        return self.read[name]

    def col(self, name, column, **filters):
        rows = self.rows(name)
        for key in [column, *filters]:
            if rows and key not in rows[0]:
                raise LookupError(f"{name} has no column {key}")
        chosen = [r for r in rows if all(matches(r[k], v) for k, v in filters.items())]
        return [as_number(row[column]) for row in chosen]

    def one(self, name, column, **filters):
        values = self.col(name, column, **filters)
        if len(values) != 1:
            raise LookupError(f"{name}: {len(values)} rows are {filters}, expected one")
        return values[0]


def tables_of(text):
    """Every Markdown table of a page, as rows of cells without emphasis, its header first."""
    found, rows = [], []
    for line in [*MARKER.sub("", text).splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def cell_of(tables, table, row, column, which=1):
    header, *rows = tables[table - 1]
    if isinstance(row, str):
        chosen = [cells for cells in rows if cells[0].startswith(row)]
    else:
        chosen = [rows[row - 1]]
    columns = [column - 1] if isinstance(column, int) else [i for i, name in enumerate(header) if name == column]
    if len(chosen) != 1 or len(columns) != 1:
        raise LookupError(f"table {table} has {len(chosen)} rows {row!r} and {len(columns)} columns {column!r}")
    return float(NUMBER.findall(chosen[0][columns[0]])[which - 1].replace("−", "-").replace(",", ""))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def evaluate(expression, tables, own_tables):
    names = {"col": tables.col, "one": tables.one, "mean": mean,
             "cell": lambda *place, **which: cell_of(own_tables, *place, **which)}
    for function in (abs, all, any, len, max, min, round, sum, set, sorted, zip):
        names[function.__name__] = function
    return eval(expression, {"__builtins__": {}, **names})  # pages are our own


def decimals_of(number):
    return len(number.split(".")[1]) if "." in number else 0


def check_number(before, value):
    """What is wrong, or None."""
    found = NUMBER.findall(before)
    if not found:
        return "no number stands before the marker"
    text = found[-1].replace("−", "-").replace(",", "")
    decimals = decimals_of(text)
    # Half a unit of the last digit, and a little for ties of decimal fractions.
    if abs(float(text) - value) <= 0.5 * 10**-decimals + 1e-9:
        return None
    return f"says {found[-1]}, the tables say {value:.{decimals + 2}f}"


def check_page(page):
    text = page.read_text(encoding="utf-8")
    tables, own_tables = Tables(page), tables_of(text)
    errors = []
    for marker in MARKER.finditer(text):
        line = text.count("\n", 0, marker.start()) + 1
        before = MARKER.sub("", text[: marker.start()])[-200:]
        try:
            value = evaluate(marker[2], tables, own_tables)
        except Exception as error:  # a marker that cannot be computed is as wrong as a number
            errors.append(f"{page}:{line}: {marker[2]}: {error}")
            continue
        if marker[1] == "?":
            wrong = None if value is True else f"is {value!r}, expected True"
        else:
            wrong = check_number(before, value)
        if wrong:
            errors.append(f"{page}:{line}: {wrong} ({marker[2]})")
    return errors, len(list(MARKER.finditer(text)))


def main(arguments):
    pages = [pathlib.Path(argument) for argument in arguments]
    if not pages:
        sys.exit(__doc__)
    errors, markers = [], 0
    for page in pages:
        found, count = check_page(page)
        errors += found
        markers += count
    print("\n".join(errors) if errors else f"{markers} numbers and sentences are as the tables say")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
