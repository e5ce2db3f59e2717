"""Campaigns: models x kinds x rates x trials, into a result file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy.typing as npt

from flatenn import _core, _toml
from flatenn._arguments import describe, expect, integer, number, path
from flatenn._arguments import text as checked_text
from flatenn._fault_model import FaultModel
from flatenn._images import ImagesLike
from flatenn._network import Network, _engine
from flatenn._plan import (
    Networks,
    fitting,
    further,
    images_of_a_trial,
    kinds_of,
    levels_of,
    networks_of,
    of_named_data,
    share,
    told_path,
)
from flatenn._progress import Progress, reporter
from flatenn._results import Results
from flatenn._temporary import TemporaryFolder

if TYPE_CHECKING:
    from flatenn._metric import MetricResults

Evaluate = Callable[[Network], npt.ArrayLike]


@overload
def campaign(
    networks: Networks,
    data: ImagesLike = ...,
    *,
    evaluate: Evaluate,
    kinds: str | Iterable[str] | None = ...,
    rates: float | Iterable[float] | None = ...,
    counts: int | Iterable[int] | None = ...,
    model: FaultModel | None = ...,
    trials: int | None = ...,
    seed: int = ...,
    store: str | os.PathLike[str] | None = ...,
    name: str = ...,
    progress: bool | Progress | None = ...,
) -> MetricResults: ...
@overload
def campaign(
    networks: Networks,
    data: ImagesLike = ...,
    *,
    kinds: str | Iterable[str] | None = ...,
    rates: float | Iterable[float] | None = ...,
    counts: int | Iterable[int] | None = ...,
    model: FaultModel | None = ...,
    trials: int | None = ...,
    half_width: float | None = ...,
    images: str | int = ...,
    single_fault: str = ...,
    seed: int = ...,
    store: str | os.PathLike[str] | None = ...,
    name: str = ...,
    wanted_accuracy: float | None = ...,
    tolerated_drop: float | None = ...,
    time_limit: float | None = ...,
    find_tolerable: float | None = ...,
    within: float | None = ...,
    split: str = ...,
    first_images: int = ...,
    settings: Mapping[str, Any] | None = ...,
    mean: npt.ArrayLike | None = ...,
    std: npt.ArrayLike | None = ...,
    engine: str = ...,
    threads: int = ...,
    data_root: str | os.PathLike[str] | None = ...,
    evaluate: None = ...,
    progress: bool | Progress | None = ...,
) -> Results: ...
def campaign(
    networks: Networks,
    data: ImagesLike = None,
    *,
    kinds: str | Iterable[str] | None = None,
    rates: float | Iterable[float] | None = None,
    counts: int | Iterable[int] | None = None,
    model: FaultModel | None = None,
    trials: int | None = None,
    half_width: float | None = None,
    images: str | int = "all",
    single_fault: str = "off",
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    name: str = "campaign",
    wanted_accuracy: float | None = None,
    tolerated_drop: float | None = None,
    time_limit: float | None = None,
    find_tolerable: float | None = None,
    within: float | None = None,
    split: str = "test",
    first_images: int = 0,
    settings: Mapping[str, Any] | None = None,
    mean: npt.ArrayLike | None = None,
    std: npt.ArrayLike | None = None,
    engine: str = "cpu",
    threads: int = 0,
    data_root: str | os.PathLike[str] | None = None,
    evaluate: Evaluate | None = None,
    progress: bool | Progress | None = None,
) -> Results | MetricResults:
    """Measures what faults cost, as ``flatenn campaign`` does: the same rows in the same file.

    :param networks: one network or several: :class:`Network`, a path, a list of those, or a
        mapping of names to them.
    :param data: (images, labels), :class:`Images`, the name of a data set, a torch data set or
        loader; None: the data set that the networks name.
    :param kinds: "bit_flip", "stuck_at_0", "stuck_at_1"; by default the model's, else bit flips.
    :param rates: bit error rates in [0, 1] (default 0.001 and 0.01), or
    :param counts: exact numbers of faults.
    :param model: which stored bits can be faulty, and how; by default all weights.
    :param trials: fault maps a cell (100; 1000 at most with `half_width`).
    :param half_width: stop a cell when its 95 % interval is +- this (0.005: half a point).
    :param images: images a trial: "all", "auto" (a pilot chooses) or a number.
    :param single_fault: "off", "sampled" or "exhaustive": one fault a trial.
    :param seed: decides every random choice.
    :param store: the result file (SQLite). A run that was stopped goes on from there; one of the
        same `name` and another meaning is refused with the place of the difference. None: a
        temporary file that lives as long as the results.
    :param wanted_accuracy, tolerated_drop, time_limit: as docs/campaigns.md tells.
    :param find_tolerable: instead of rates: search the largest bit error rate that costs at most
        this drop of accuracy (0.01: a point), to a bracket of the factor `within` (1.25).
    :param split, first_images: of a data set that is named: "test" or "train"; only so many.
    :param settings: further keys of a plan by docs/campaigns.md: voltages, single_fault_error, ...
    :param evaluate: for tasks other than classification: a function of a faulty :class:`Network`
        that returns a metric for each image, or one number; `data` is not used then, and
        :class:`MetricResults` come back. ``network.fault_map`` holds the faults, for
        :func:`flatenn.apply_to_torch`; it is called first with a map without any. Options of how
        images run or when to stop are refused.
    :param progress: True for a bar, or a function that is called with (done, expected, cell).

    Ctrl-C stores what is finished, then raises KeyboardInterrupt; so does an exception that
    `progress` raises. The GIL is released while trials run.
    """
    nets = networks_of(networks)
    levels = levels_of(rates, counts)
    seed = integer("seed", seed, 0, 2**63 - 1)
    if not checked_text("name", name):
        raise ValueError("name: is empty")
    if model is not None:
        expect("model", model, FaultModel, "a FaultModel")
    kind_names = kinds_of(kinds, model)
    checked_trials = None if trials is None else integer("trials", trials, 1, 10_000_000)
    if evaluate is not None:
        from flatenn._metric import run_metric_campaign

        if not callable(evaluate):
            raise TypeError(f"evaluate: expected a function, got {describe(evaluate)}")
        _refuse_beside_evaluate(
            half_width=half_width, images=None if images == "all" else images,
            single_fault=None if single_fault == "off" else single_fault,
            wanted_accuracy=wanted_accuracy, tolerated_drop=tolerated_drop, time_limit=time_limit,
            find_tolerable=find_tolerable, within=within, split=None if split == "test" else split,
            first_images=first_images or None, settings=settings, mean=mean, std=std,
            engine=None if engine == "cpu" else engine, threads=threads or None,
            data_root=data_root,
        )  # fmt: skip
        if levels and model is not None and not model.follows_rate:
            raise ValueError(f"{next(iter(levels))}: the model's sources say how many faults there are")
        return run_metric_campaign(
            nets, evaluate, kind_names, levels, model or FaultModel(), checked_trials or 100, seed,
            None if store is None else path("store", store), name, reporter(progress),
        )  # fmt: skip
    expect("single_fault", single_fault, str, "off, sampled or exhaustive")
    folder = model._folder if model is not None else "."
    plan: dict[str, Any] = {
        "name": name,
        "models": [told_path(net, folder) for net in nets],
        "data": data if isinstance(data, str) else None,
        "seed": seed,
        **levels,
        "trials": checked_trials,
        "half_width": None if half_width is None else number("half_width", half_width, 0.0, 1.0),
        "single_fault": None if single_fault == "off" else single_fault,
        "wanted_accuracy": share("wanted_accuracy", wanted_accuracy),
        "tolerated_drop": share("tolerated_drop", tolerated_drop),
        "time_limit": None if time_limit is None else number("time_limit", time_limit),
        "find_tolerable": share("find_tolerable", find_tolerable),
        "within": None if within is None else number("within", within, 1.0),
        **images_of_a_trial(images),
        **of_named_data(data, split, first_images),
    }
    if kind_names:
        plan["kinds"] = kind_names
    plan |= further("settings", settings, plan)
    toml = _toml.document(plan) + (model._toml if model is not None else "")
    core_images = None
    if data is not None and not isinstance(data, str):
        core_images = fitting(nets, data, mean, std)._core
    engine, threads = _engine(engine, threads)
    temporary = None
    if store is None:
        temporary = TemporaryFolder()  # removed on failure too: nobody else holds it
        database = os.path.join(temporary.path, "results.db")
    else:
        database = path("store", store)
    report = _core.run_campaign(
        toml, folder, [net._core for net in nets], core_images, database, engine, threads,
        "" if data_root is None else path("data_root", data_root), "", reporter(progress),
    )  # fmt: skip
    return Results(database, name, temporary, report)


def _refuse_beside_evaluate(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name}: has no meaning beside evaluate, which runs the images itself")
