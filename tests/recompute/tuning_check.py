#!/usr/bin/env python3
"""tuning_check.py PROGRAM PUBLISHED_TUNE_JSON...

Tunes a small perceptron as `flatenn study --tune-only` does and computes its scores again in NumPy: which
training images are held out, every candidate's accuracy on them under every map of every cell, their
means, the choice, and tune.csv. Of published searches: every choice is the best of its arm's scores.
"""

import csv
import json
import math
import pathlib
import sys
import tempfile

from common import Checks, Program, data_root, idx, np, skip
from networks_check import Network, Stream

MNIST, TRAINED, HELD_OUT = 60000, 1500, 200
HOLD_OUT_PURPOSE = 14
SEED, TRIALS, RATES = 7919, 2, (0.01, 0.05)
KINDS = ("bit_flip", "stuck_at_1")
ARMS = ("sgd-standard", "saq-standard")
DEFINITION = f"""title = "A perceptron"
base = "lenet5-fashion-mnist-sgd-standard"
arms = {json.dumps(ARMS)}
[recipes.sgd]
set = ["optimizer.kind=sgd"]
[recipes.saq]
set = ["optimizer.kind=saq", "sharpness.rho=0.1"]
[activations.standard]
set = []
[campaign]
kinds = {json.dumps(KINDS)}
rates = [0.01]
trials = 2
seed = 2301
[claims]
kinds = ["bit_flip"]
rates = [0.01]
min_seeds = 5
flatness_kind = "bit_flip"
flatness_rate = 0.01
cost_margin = 0.05
[tune]
hold_out = {HELD_OUT}
budget = 3
rates = {json.dumps(RATES)}
trials = {TRIALS}
seed = {SEED}
[tune.candidates]
sgd = ["optimizer.learning_rate=0.001", "optimizer.learning_rate=0.05"]
saq = ["optimizer.learning_rate=0.05 sharpness.rho=0.05", "optimizer.learning_rate=0.02 sharpness.rho=0.1"]
"""


def below(stream, bound):
    """Lemire's method."""
    while True:
        product = stream.u64() * bound
        if product % 2**64 >= 2**64 % bound:
            return product >> 64


def held_out():
    """By data.hold_out_seed, 0 by default, of all training images: the first of a shuffle, in rising order."""
    stream = Stream(0, 0, HOLD_OUT_PURPOSE, 0, 0)
    order = list(range(MNIST))
    for left in range(MNIST, 1, -1):
        other = below(stream, left)
        order[left - 1], order[other] = order[other], order[left - 1]
    return sorted(order[:HELD_OUT])


def images():
    folder = data_root() / "mnist"
    if not folder.is_dir():
        skip(f"MNIST is not in {data_root()}")
    chosen = held_out()
    return idx(folder, "train-images*")[chosen].reshape(HELD_OUT, -1), idx(folder, "train-labels*")[chosen]


def accuracy(network, pixels, labels, faults=()):
    return (network.run(pixels, faults)[1].argmax(1) == labels).mean()


def faulty_accuracy(program, path, network, kind, rate, pixels, labels):
    shares = []
    for trial in range(TRIALS):
        config = program.write("map.toml", f'[[faults]]\nkind = "{kind}"\nrate = {rate}\n')
        program("faults", "draw", path, "--config", config, "--seed", SEED, "--trial", trial, "--out", "map.json")
        faults = json.loads((program.folder / "map.json").read_text())["faults"]
        shares.append(accuracy(network, pixels, labels, faults))
    return math.fsum(shares) / TRIALS


def check_choices(check, label, record):
    """The first of the best; every arm has one unless all of its candidates diverged."""
    arms = {}
    for candidate in record["candidates"]:
        arms.setdefault(candidate["arm"], []).append(candidate)
    for arm, tried in arms.items():
        tried = [candidate for candidate in tried if not candidate.get("diverged")]
        best = max(tried, key=lambda candidate: candidate["faulty_accuracy"], default=None)
        check.same(f"{label} {arm} chosen", best and best["setting"].split(), record["chosen"].get(arm))
    check.same(f"{label} arms", set(record["chosen"]) | set(record.get("diverged", ())), set(arms))


def check_scores(check, program, record):
    pixels, labels = images()
    for candidate in record["candidates"]:
        label = f"{candidate['arm']} {candidate['setting']}"
        path = f"study/tune/{folder_of(candidate)}/model.onnx"
        network = Network(program, path)
        check(f"{label} accuracy", accuracy(network, pixels, labels), candidate["accuracy"])
        shares = []
        for cell, (kind, rate) in zip(candidate["cells"], ((kind, rate) for kind in KINDS for rate in RATES), strict=True):
            check.same(f"{label} cell", (kind, rate), (cell["kind"], cell["rate"]))
            shares.append(faulty_accuracy(program, path, network, kind, rate, pixels, labels))
            check(f"{label} {kind} {rate}", shares[-1], cell["accuracy"])
        check(f"{label} faulty accuracy", math.fsum(shares) / len(shares), candidate["faulty_accuracy"])


def folder_of(candidate):
    return "tune-" + candidate["arm"] + "-" + candidate["setting"].replace(" ", "_")


def check_table(check, program, record):
    with open(program.folder / "study/tune.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    check("lines of tune.csv", len(record["candidates"]), len(lines))
    for line, candidate in zip(lines, record["candidates"]):
        label = f"tune.csv {candidate['arm']} {candidate['setting']}"
        chosen = record["chosen"].get(candidate["arm"]) == candidate["setting"].split()
        check.same(label, (candidate["arm"], candidate["setting"], chosen), (line["arm"], line["setting"], line["chosen"] in ("1", "true", "yes")))
        check(f"{label} score", candidate["faulty_accuracy"], float(line["faulty_accuracy"]), 1e-6)
        for cell in candidate["cells"]:
            check(label, cell["accuracy"], float(line[f"{cell['encoding']} {cell['kind']} {cell['rate']}"]), 1e-6)


def main():
    check = Checks()
    for path in sys.argv[2:]:
        check_choices(check, path, json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        program = Program(sys.argv[1], folder)
        program.needs_training()
        images()
        definition = program.write("definition.toml", DEFINITION)
        program("study", "lenet5", "--config", definition, "--out", "study", "--tune-only", "--data", "mnist", "--epochs", 1, "--jobs", 1,
                *(word for setting in ('model.architecture="mlp"', "model.hidden=[16,12]", f"data.train_images={TRAINED}",
                                       f"data.test_images={HELD_OUT}") for word in ("--set", setting)))
        record = json.loads((program.folder / "study/tune.json").read_text(encoding="utf-8"))
        check("candidates", len(ARMS) * 3, len(record["candidates"]))
        check_choices(check, "tune.json", record)
        check_table(check, program, record)
        check_scores(check, program, record)
    check.finish()


if __name__ == "__main__":
    main()
