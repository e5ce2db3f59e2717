#!/usr/bin/env python3
"""Training recipes of `flatenn train`: what a step costs, and what accuracy under faults it buys.

LeNet-5 on Fashion-MNIST, everything at 4 bits, LSQ, batch 128. For each recipe and seed one
training and one campaign of bit flips; accuracies are means over seeds, each seed's a mean over
maps that all recipes share. The cost is processor time a step on one thread, the difference
of a longer and a shorter training of a part of the images, as a ratio to `sgd`, median of
the rounds, in which recipes take turns. Prints Markdown.

    bench/training_recipes.py build/release/flatenn [--seeds 3] [--epochs 5] [--only saq,randbet]
"""
import argparse
import csv
import io
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Sequence

TOML = """
data.name = "fashion-mnist"
model.architecture = "lenet5"
quant.first_last_bits = 0
optimizer.learning_rate = 0.05
optimizer.weight_decay = 1e-4
train.threads = 1
"""
SAQ = ["optimizer.kind=saq", "sharpness.rho=0.1"]
BET = ["randbet.rate=0.02", "randbet.ramp_epochs=2"]
RMS = ["weight_range.code_rms=0.5", "weight_range.code_rms_strength=0.1"]
RANGE = ["weight_range.penalty=0.01"]

#: Name -> settings. "epochs*2" doubles the epochs: what SAQ's second pass would buy otherwise.
RECIPES: dict[str, list[str]] = {
    "sgd": [],
    "sgd, twice the epochs": ["epochs*2"],
    "saq": SAQ,
    "saq, every 4th step": [*SAQ, "sharpness.every=4"],
    "saq, ascent on 1/4": [*SAQ, "sharpness.ascent_share=0.25"],
    "saq, gap 0.2": [*SAQ, "sharpness.gap=0.2"],
    "randbet 2 %": BET,
    "saq + randbet 2 %": [*SAQ, *BET],
    "code rms 0.5": RMS,
    "code rms 0.5 + saq": [*RMS, *SAQ],
    "code rms 0.5 + randbet 2 %": [*RMS, *BET],
    "range penalty 0.01": RANGE,
    "range penalty 0.01 + saq, every 4th step": [*RANGE, *SAQ, "sharpness.every=4"],
    "range penalty 0.01 + randbet 2 %": [*RANGE, *BET],
    "weights within 0.2": ["weight_range.limit=0.2"],
    "activation noise 0.05": ["noise.activations=0.05"],
}
RATES = ("0.01", "0.05")


def run(command: Sequence[str]) -> float:
    """Runs a command, quietly; its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Bench:
    def __init__(self, flatenn: str, folder: pathlib.Path) -> None:
        self.flatenn, self.folder = flatenn, folder
        (folder / "recipe.toml").write_text(TOML)

    def train(self, out: str, settings: Sequence[str], epochs: int) -> float:
        if "epochs*2" in settings:
            epochs *= 2
        keys = [f"train.epochs={epochs}", *(s for s in settings if s != "epochs*2")]
        command = [self.flatenn, "train", str(self.folder / "recipe.toml"), "--out",
                   str(self.folder / out)]
        for key in keys:
            command += ["--set", key]
        return run(command)

    def step_seconds(self, name: str, turn: int) -> float:
        """Processor time of 2 epochs of 12,800 images, without start, evaluation and freezing."""
        part = ["data.train_images=12800", "data.test_images=100"]
        settings = [s for s in RECIPES[name] if s != "epochs*2"] + part
        place = f"cost-{turn}-{list(RECIPES).index(name)}"
        return self.train(place + "-3", settings, 3) - self.train(place + "-1", settings, 1)

    def accuracies(self, name: str, seed: int, epochs: int, trials: int) -> list[float]:
        """Without faults, then at each rate; percent."""
        out = f"run-{seed}-{list(RECIPES).index(name)}"
        self.train(out, [*RECIPES[name], f"seed={seed}"], epochs)
        database = str(self.folder / f"{out}.db")
        run([self.flatenn, "campaign", "--db", database, "--model", str(self.folder / out),
             "--rates", "0," + ",".join(RATES), "--kinds", "bit_flip", "--trials", str(trials),
             "--seed", "11", "--threads", "1"])
        table = subprocess.run([self.flatenn, "results", database, "--format", "csv"], check=True,
                               capture_output=True, text=True).stdout
        rows = {float(row["rate"]): row for row in csv.DictReader(io.StringIO(table))}
        return [100 * float(rows[float(rate)]["mean"]) for rate in ("0", *RATES)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flatenn")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3, help="of the cost")
    parser.add_argument("--only", default="", help="names that hold one of these, and sgd")
    arguments = parser.parse_args()
    wanted = [w for w in arguments.only.split(",") if w]
    names = [n for n in RECIPES if n == "sgd" or not wanted or any(w in n for w in wanted)]
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.flatenn, pathlib.Path(folder))
        ratios: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(arguments.rounds):
            base = bench.step_seconds("sgd", turn)
            for name in names:
                seconds = base if name == "sgd" else bench.step_seconds(name, turn)
                ratios[name].append(seconds / base)
        heads = ["no faults", *(f"{100 * float(rate):g} % flips" for rate in RATES)]
        print("| recipe | cost of a step | " + " | ".join(heads) + " |")
        print("| --- |" + " ---: |" * (1 + len(heads)))
        for name in names:
            seeds = [bench.accuracies(name, seed, arguments.epochs, arguments.trials)
                     for seed in range(1, arguments.seeds + 1)]
            cells = []
            for values in zip(*seeds):
                spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.1f}{spread}")
            cost = f"{statistics.median(ratios[name]):.2f}" if ratios[name] else ""
            print(f"| {name} | {cost} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
