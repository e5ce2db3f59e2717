"""Tunes the radius of SAQ and the learning rate against accuracy under faults, with Optuna.

    pip install optuna
    python optuna_study.py --trials 20
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import flatenn
import flatenn.torch as ft
import optuna
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "notebooks"))
from digits import digits, quantized_lenet, train  # noqa: E402


def objective(trial: optuna.Trial, images: int) -> float:
    """Mean accuracy over fault maps at 1 % bit flips."""
    rho = trial.suggest_float("rho", 0.01, 0.5, log=True)
    rate = trial.suggest_float("lr", 0.005, 0.1, log=True)
    torch.manual_seed(0)
    x, y = digits("train", first=images)
    held_out = slice(images * 3 // 4, images)  # never tune on test images
    model = quantized_lenet(bits=4)
    base = torch.optim.SGD(ft.parameter_groups(model, lr=rate), momentum=0.9)
    train(model, ft.SAQ(base, model, rho=rho).step, x[: held_out.start], y[: held_out.start])
    data = (x[held_out], y[held_out])
    results = flatenn.campaign(
        flatenn.from_torch(model, data[0], agreement=0.0), data, rates=0.01, trials=10, seed=1
    )
    cell = results.cells[0]
    trial.set_user_attr("without_faults", cell["golden"])
    trial.set_user_attr("interval", (cell["ci_low"], cell["ci_high"]))
    return float(cell["mean"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--images", type=int, default=8000)
    arguments = parser.parse_args()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(lambda trial: objective(trial, arguments.images), n_trials=arguments.trials)
    print(f"accuracy under faults {100 * study.best_value:.2f} %: {study.best_params}")


if __name__ == "__main__":
    main()
