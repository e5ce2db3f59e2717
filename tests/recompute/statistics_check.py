#!/usr/bin/env python3
"""statistics_check.py PROGRAM MODEL RESULTS_FOLDER

Recomputes what `flatenn results` says from the rows of its SQLite file, with SciPy's distributions:
means, intervals (Student, Hall, Clopper-Pearson), pairs with Holm's p-values, tolerable rates; then
the published claims of a study from its published cells. docs/statistics.md has the formulas.
"""

import csv
import pathlib
import sqlite3
import sys
import tempfile

from common import Checks, Program, mnist_test, np, skip

try:
    from scipy import optimize, stats
except ImportError:
    skip("SciPy is not installed")

SKEWED = 0.5
DROP = 0.02
IMAGES = 200
RATES = "0,0.0000003,0.0001,0.0003,0.001,0.003,0.01,0.05"


def rows_of(path):
    """Trials by cell, as (model, kind, level) -> list of rows."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    cells = {}
    for row in connection.execute("SELECT c.model, c.kind, c.level, t.* FROM trials t JOIN cells c"
                                  " ON c.plan = t.plan AND c.cell = t.cell ORDER BY t.plan, t.cell, t.trial"):
        cells.setdefault((row["model"], row["kind"], row["level"]), []).append(row)
    return cells


class Sample:
    """A standard deviation counts as one image's share at least in all that judges (docs/statistics.md)."""

    def __init__(self, values, least_sd):
        self.values = np.asarray(values, float)
        self.n = len(self.values)
        self.mean = self.values.mean()
        self.sd = self.values.std(ddof=1)
        self.wide = max(self.sd, least_sd)
        self.error = self.wide / np.sqrt(self.n)
        spread = self.sd > 1e-12
        self.g1 = stats.skew(self.values) if spread else 0.0
        self.skew = stats.skew(self.values, bias=False) if spread else 0.0

    def student(self):
        return np.array(stats.t.interval(0.95, self.n - 1, self.mean, self.error))

    def inverse(self, t):
        """h(t): Hall's transformation backwards, found by solving it, not by its closed form."""
        g, root = self.skew, np.sqrt(self.n)

        def forwards(x):
            s = x / root
            return root * (s + g * s**2 / 3 + g**2 * s**3 / 27 + g / (6 * self.n))

        return optimize.brentq(lambda x: forwards(x) - t, -1e6, 1e6, xtol=1e-13, rtol=1e-14)

    def hall(self):
        # g/3 (x/root) stands where the closed form has cbrt(1 + g (...)) - 1.
        low, high = (self.inverse(t) for t in stats.t.ppf([0.025, 0.975], self.n - 1))
        return np.array([self.mean - self.error * high, self.mean - self.error * low])

    def is_skewed(self):
        return self.n >= 20 and abs(self.g1) > SKEWED

    def student_p(self):
        return 2 * stats.t.sf(abs(self.mean / self.error), self.n - 1)

    def hall_p(self):
        """Where the interval's end just touches 0."""
        g, s = self.skew, self.mean / self.error / np.sqrt(self.n)
        transformed = np.sqrt(self.n) * (s + g * s**2 / 3 + g**2 * s**3 / 27 + g / (6 * self.n))
        return 2 * stats.t.sf(abs(transformed), self.n - 1)


def holm(p_values):
    adjusted, most = np.empty(len(p_values)), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = most
    return adjusted


def clopper_pearson(k, n):
    low = 0.0 if k == 0 else stats.beta.ppf(0.025, k, n - k + 1)
    high = 1.0 if k == n else stats.beta.ppf(0.975, k + 1, n - k)
    return [low, high]


def check_cell(check, name, cell, rows):
    total = sum(row["images"] for row in rows)
    values = [row["correct"] / row["images"] for row in rows]
    sample = Sample(values, 1 / rows[0]["images"])
    check(f"{name} accuracies", values, cell["accuracies"])
    check(f"{name} mean", sample.mean, cell["mean"])
    check(f"{name} sd", sample.sd, cell["sd"])
    check(f"{name} median", np.median(values), cell["median"])
    check(f"{name} min", min(values), cell["min"])
    check(f"{name} p5", np.percentile(values, 5), cell["p5"])
    check(f"{name} interval", np.clip(sample.student(), 0, 1), cell["ci"])
    check(f"{name} loss", sum(row["loss"] for row in rows) / total, cell["mean_loss"])
    for column in ("drawn", "landed"):
        check(f"{name} {column}", np.mean([row[column] for row in rows]), cell[column])
    for column in ("identical", "masked", "sdc1_right", "sdc1_wrong"):
        check(f"{name} {column}", sum(row[column] for row in rows) / total, cell[column])
    check(f"{name} sdc1", sum(row["sdc1_right"] + row["sdc1_wrong"] for row in rows) / total, cell["sdc1"])
    good = sum(value >= cell["yield_accuracy"] - 1e-12 for value in values)
    check(f"{name} yield", good / len(values), cell["yield"])
    check(f"{name} yield's interval", clopper_pearson(good, len(values)), cell["yield_ci"])
    check.same(f"{name} has Hall's interval", sample.is_skewed(), cell["skew_ci"] is not None)
    if sample.is_skewed():
        check(f"{name} skewness", sample.g1, cell["skew"])
        check(f"{name} Hall", np.clip(sample.hall(), 0, 1), cell["skew_ci"], 1e-7)
        return np.clip(sample.hall(), 0, 1)
    return np.clip(sample.student(), 0, 1)


def check_tolerable(check, rate, means, intervals, rates, wanted):
    """The bracket: up to where every interval lies above, and from where one lies below."""
    above = [interval[0] > wanted for interval in intervals]
    sure = [r for index, r in enumerate(rates) if all(above[: index + 1])]
    lost = [r for r, interval in zip(rates, intervals) if interval[1] < wanted]
    name = f"{rate['model']} {rate['kind']} tolerable"
    check(f"{name}, surely kept", sure[-1] if sure else rates[0], rate["ci"][0])
    check(f"{name}, surely lost", lost[0] if lost else rates[-1], rate["ci"][1])
    below = [index for index, mean in enumerate(means) if mean < wanted]
    if below and below[0] > 0:
        check.same(f"{name} lies between the rates whose means bracket it", True,
                   rates[below[0] - 1] <= rate["rate"] <= rates[below[0]])


def check_plan(check, path, plan):
    rows = rows_of(path)
    models = [model["name"] for model in plan["models"]]
    kinds = plan["kinds"]
    read = {}
    for cell in plan["cells"]:
        levels = [level["label"] for level in plan["levels"]]
        key = (models.index(cell["model"]), kinds.index(cell["kind"]), levels.index(cell["level"]["label"]))
        read[key] = check_cell(check, f"{cell['model']} {cell['kind']} {cell['level']['label']}", cell, rows[key])
    p_values = []
    for pair in plan["pairs"]:
        level = levels.index(pair["level"]["label"])
        a, b = (rows[models.index(pair[m]), kinds.index(pair["kind"]), level] for m in ("model_a", "model_b"))
        sample = Sample([(y["correct"] - x["correct"]) / x["images"] for x, y in zip(a, b)], 1 / a[0]["images"])
        low, high = sample.student()
        p = sample.student_p()
        if sample.is_skewed():
            low, high = min(low, sample.hall()[0]), max(high, sample.hall()[1])
            p = max(p, sample.hall_p())
        name = f"{pair['model_b']} - {pair['model_a']} {pair['kind']} {pair['level']['label']}"
        check(f"{name} difference", sample.mean, pair["difference"])
        check(f"{name} interval", np.clip([low, high], -1, 1), pair["ci"], 1e-7)
        check(f"{name} p", p, pair["p_value"], 1e-6, 1e-15)
        p_values.append(p)
    check("Holm", holm(p_values), [pair["holm_p_value"] for pair in plan["pairs"]], 1e-6, 1e-15)
    rates = [level["rate"] for level in plan["levels"]]
    for rate in plan["tolerable_rates"]:
        model, kind = models.index(rate["model"]), kinds.index(rate["kind"])
        wanted = plan["models"][model]["golden_accuracy"] - DROP
        cells = [(model, kind, level) for level in range(len(rates))]
        means = [np.mean([row["correct"] / row["images"] for row in rows[cell]]) for cell in cells]
        check_tolerable(check, rate, means, [read[cell] for cell in cells], rates, wanted)


def check_claims(check, folder):
    """Published claims from published cells: one difference of means a training seed."""
    with open(folder / "cells.csv", newline="", encoding="utf-8") as file:
        cells = {(r["model"], r["kind"], float(r["bit_error_rate"])): float(r["accuracy_mean_percent"])
                 for r in csv.DictReader(file)}
    with open(folder / "claims.csv", newline="", encoding="utf-8") as file:
        claims = list(csv.DictReader(file))
    with open(folder / "networks.csv", newline="", encoding="utf-8") as file:
        golden = {r["model"]: float(r["golden_percent"]) for r in csv.DictReader(file)}
    p_values, judged = [], []
    for claim in claims:
        minuend, subtrahend = (arm.replace("/", "-") for arm in claim["compared"].split(" − "))
        rate = float(claim["bit_error_rate"].replace("%", "")) / 100
        losses = "lose more" in claim["claim"]  # from the fault-free accuracy

        def value(arm, seed):
            model = f"{arm}-seed{seed}"
            return cells[model, claim["kind"], rate] - losses * golden[model]

        seeds = [value(minuend, seed) - value(subtrahend, seed) for seed in range(1, int(claim["seeds"]) + 1)]
        name = f"{claim['claim']}, {claim['kind']} {claim['bit_error_rate']}"
        check(f"{name}: difference", np.mean(seeds), float(claim["difference_points"]))
        sample = Sample(seeds, 0)
        low, high = sample.student()
        check(f"{name}: interval over seeds", [low, high],
              [float(end) for end in claim["interval_over_seeds"].strip("[]").split(",")], 0, 0.0051)
        p_values.append(sample.student_p())
        judged.append((name, claim, seeds, (low, high)))
    for (name, claim, seeds, (low, high)), p in zip(judged, holm(p_values)):
        check(f"{name}: Holm", p, float(claim["holm_p_value"]), 1e-6)
        sure = len(seeds) >= 5 and p < 0.05
        verdict = ("confirmed" if sure and min(seeds) > 0 and low > 0 else
                   "refuted" if sure and max(seeds) < 0 and high < 0 else "undecided")
        check.same(f"{name}: verdict", verdict, claim["verdict"])


def main():
    mnist_test(1)
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(sys.argv[1], folder)
        model = str(pathlib.Path(sys.argv[2]).resolve())
        program("faults", "apply", model, "--rate", "0.002", "--seed", "9", "-o", "other.onnx")
        program("campaign", "--db", "results.db", "--model", model, "--model", "other.onnx", "--data", "mnist",
                "--first-images", IMAGES, "--kinds", "bit_flip,stuck_at_1", "--rates", RATES, "--trials", "24",
                "--seed", "5", "--tolerated-drop", DROP)
        for plan in program.json("results", "results.db", "--json"):
            check_plan(check, program.folder / "results.db", plan)
    check_claims(check, pathlib.Path(sys.argv[3]))
    check.finish()


if __name__ == "__main__":
    main()
