#!/usr/bin/env python3
"""Writes a results page "flatness, sensitivity, cost" from a study folder.

    tools/why_page.py STUDY_DIR docs/results/NAME-why.md [--flatenn build/release/flatenn]

takes the tables and figures of `flatenn report STUDY_DIR`, keeps those of this page in the folder
docs/results/NAME-why/, and writes the page around them. What stands above the line "<!-- tables -->"
of an existing page is kept: words of people. Needs a study made with `--analysis full` for all
parts; parts that are missing are left out.
"""

import argparse
import csv
import json
import pathlib
import shutil
import subprocess
import tempfile

MARK = "<!-- tables -->"
TABLES = ["claims-why", "sharpness", "flatness-correlation", "sensitivity-estimates", "cost"]
FIGURES = [
    ("flatness-one-step", "Accuracy lost against the rise along one SAM step"),
    ("flatness-noise", "Accuracy lost against the rise under Gaussian noise"),
    ("landscape-after-random", "Loss along a random direction"),
]


def number(text, digits=4):
    try:
        return f"{float(text):.{digits}g}"
    except ValueError:
        return text


def markdown_table(rows, columns):
    """`columns`: (key, title, right-aligned)."""
    head = "| " + " | ".join(title for _, title, _ in columns) + " |"
    rule = "| " + " | ".join("---:" if right else "---" for _, _, right in columns) + " |"
    body = ["| " + " | ".join(number(row[key]) if right else row[key] for key, _, right in columns) + " |"
            for row in rows]
    return "\n".join([head, rule, *body])


class Page:
    def __init__(self, made, page):
        self.made, self.page = made, page
        self.folder = page.with_suffix("")
        self.parts = []

    def rows(self, table):
        path = self.made / f"{table}.csv"
        if not path.exists():
            return []
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def keep(self, name):
        if not (self.made / name).exists():
            return False
        shutil.copy(self.made / name, self.folder / name)
        return True

    def heading(self, text):
        self.parts.append(f"## {text}")

    def table(self, table, columns, rows=None):
        rows = self.rows(table) if rows is None else rows
        if rows:
            self.keep(f"{table}.csv")
            self.parts.append(markdown_table(rows, columns))

    def figure(self, name, words):
        if self.keep(f"{name}.svg"):
            self.parts.append(f"![{words}]({self.folder.name}/{name}.svg)")

    def claims(self):
        self.heading("Claims")
        self.table("claims-why", [
            ("claim", "claim", False), ("compared", "compared", False), ("measure", "measure", False),
            ("seeds", "seeds", True), ("value", "value", True), ("interval_over_networks", "over networks", False),
            ("interval_over_seeds", "over seeds", False), ("holm_p_value", "p (Holm)", True),
            ("verdict", "verdict", False), ("reason", "because", False)])

    def flatness(self):
        self.heading("Flatness")
        rows = self.rows("sharpness")
        if rows:
            names = [key for key in rows[0] if key not in ("model", "rho")]
            self.table("sharpness", [("model", "network", False), ("rho", "rho", True)] +
                       [(key, key.replace("_", " "), True) for key in names])
        self.table("flatness-correlation", [
            ("measure", "rank correlation with accuracy lost to bit flips", False), ("models", "networks", True),
            ("rho", "rho", True), ("low", "95 % low", True), ("high", "95 % high", True)])
        for name, words in FIGURES:
            self.figure(name, words)
        self.numbered("landscape-plane", "Loss over a plane")

    def numbered(self, stem, words, most=4):
        """Pictures that stand once a network; the first ones."""
        found = sorted(self.made.glob(f"{stem}-[0-9]*.svg"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))
        for path in found[:most]:
            self.figure(path.stem, words)

    def sensitivity(self):
        self.heading("Which bits matter")
        self.numbered("sensitivity", "Points lost by layer and bit")
        self.table("sensitivity-estimates", [
            ("model", "network", False), ("estimate", "estimate", False), ("rho", "rank correlation with the campaign", True),
            ("low", "95 % low", True), ("high", "95 % high", True), ("cells", "cells", True)])
        self.figure("bit-search", "Accuracy under the most harmful single bits, found one after the other")
        self.figure("hardening", "What hardened bits bring back")
        rows = self.rows("protection")
        if rows:
            self.table("protection", [(key, key.replace("_", " "), key not in ("model", "code", "protection"))
                                      for key in rows[0]])

    def cost(self):
        self.heading("What sparsity saves")
        for path in sorted(self.made.glob("pareto-*.svg")):
            self.figure(path.stem, "Accuracy under faults against energy")
        self.table("cost", [
            ("model", "network", False), ("hardware", "hardware", False), ("sparsity_percent", "zeros (%)", True),
            ("effective_macs", "effective MACs", True), ("load_imbalance", "load imbalance", True),
            ("latency_us", "latency (us)", True), ("energy_nj", "energy (nJ)", True),
            ("chip_energy_nj", "on the chip (nJ)", True)])

    def write(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for part in (self.claims, self.flatness, self.sensitivity, self.cost):
            part()
        words = self.page.read_text(encoding="utf-8").split(MARK)[0] if self.page.exists() else "# Results\n\n"
        self.page.write_text(words.rstrip() + f"\n\n{MARK}\n\n" + "\n\n".join(self.parts) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--flatenn", default="build/release/flatenn")
    arguments = parser.parse_args()
    json.loads((arguments.study / "study.json").read_text(encoding="utf-8"))  # is it a study?
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder)
        subprocess.run([arguments.flatenn, "report", str(arguments.study), "-o", str(made / "report.html"),
                        "--csv", str(made), "--svg", str(made)], check=True)
        Page(made, arguments.page).write()


if __name__ == "__main__":
    main()
