"""Campaigns: models x kinds x rates x trials, into a result file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy.typing as npt

from flatenn import _core, _toml
from flatenn._arguments import describe, expect, integer, integers, number, numbers, path, texts
from flatenn._faults import KINDS, FaultModel
from flatenn._images import Images, ImagesLike, images_for
from flatenn._network import Network, _engine, load
from flatenn._results import Results

if TYPE_CHECKING:
    from flatenn._metric import MetricResults

#: What `progress` may be: True (a bar on stderr), or a function of (trials done, trials expected,
#: the cell that moved last: label, trials, wanted, accuracy, low, high; None at the start).
Progress = Callable[[int, int, "dict[str, Any] | None"], object]
Networks = (
    Network | str | os.PathLike[str] | Sequence["Network | str | os.PathLike[str]"]
    | Mapping[str, "Network | str | os.PathLike[str]"]
)  # fmt: skip
Evaluate = Callable[[Network], npt.ArrayLike]


@overload
def campaign(
    networks: Networks,
    data: ImagesLike = ...,
    *,
    evaluate: Evaluate,
    kinds: str | Iterable[str] = ...,
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
    kinds: str | Iterable[str] = ...,
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
    kinds: str | Iterable[str] = "bit_flip",
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
    :param kinds: "bit_flip", "stuck_at_0", "stuck_at_1".
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
    :param evaluate: for tasks other than classification: a function of a faulty :class:`Network`
        that returns a metric for each image, or one number; `data` is not used then, and
        :class:`MetricResults` come back. Options of how images run or when to stop are refused.
    :param progress: True for a bar, or a function that is called with (done, expected, cell).

    Ctrl-C stores what is finished, then raises KeyboardInterrupt; so does an exception that
    `progress` raises. The GIL is released while trials run.
    """
    nets = _networks(networks)
    levels = _levels(rates, counts)
    kind_names = texts("kinds", kinds)
    if not kind_names:
        raise ValueError("kinds: name at least one")
    for i, kind in enumerate(kind_names):
        if kind not in KINDS:
            raise ValueError(f"kinds[{i}]: expected one of {', '.join(KINDS)}, got {kind!r}")
    seed = integer("seed", seed, 0, 2**63 - 1)
    expect("name", name, str, "a str")
    if model is not None:
        expect("model", model, FaultModel, "a FaultModel")
    checked_trials = None if trials is None else integer("trials", trials, 1, 10_000_000)
    if evaluate is not None:
        from flatenn._metric import run_metric_campaign

        if not callable(evaluate):
            raise TypeError(f"evaluate: expected a function, got {describe(evaluate)}")
        _refuse_beside_evaluate(
            half_width=half_width, images=None if images == "all" else images,
            single_fault=None if single_fault == "off" else single_fault,
            wanted_accuracy=wanted_accuracy, tolerated_drop=tolerated_drop, time_limit=time_limit,
            mean=mean, std=std,
        )  # fmt: skip
        return run_metric_campaign(
            nets, evaluate, kind_names, levels, model or FaultModel(), checked_trials or 100, seed,
            None if store is None else path("store", store), name, _reporter(progress),
        )  # fmt: skip
    expect("single_fault", single_fault, str, "off, sampled or exhaustive")
    folder = model._folder if model is not None else "."
    plan: dict[str, Any] = {
        "name": name,
        "models": [_told_path(net, folder) for net in nets],
        "data": data if isinstance(data, str) else None,
        "seed": seed,
        **levels,
        "trials": checked_trials,
        "half_width": None if half_width is None else number("half_width", half_width, 0.0, 1.0),
        "single_fault": None if single_fault == "off" else single_fault,
        "wanted_accuracy": _share("wanted_accuracy", wanted_accuracy),
        "tolerated_drop": _share("tolerated_drop", tolerated_drop),
        "time_limit": None if time_limit is None else number("time_limit", time_limit),
        **_images_of_a_trial(images),
    }
    if model is None or model._core.follows_kind:
        plan["kinds"] = kind_names
    toml = _toml.document(plan) + (model._toml if model is not None else "")
    core_images = None
    if data is not None and not isinstance(data, str):
        core_images = _fitting(nets, data, mean, std)._core
    engine, threads = _engine(engine, threads)
    temporary = None
    if store is None:
        temporary = tempfile.TemporaryDirectory(prefix="flatenn-")
        database = os.path.join(temporary.name, "results.db")
    else:
        database = path("store", store)
    report = _core.run_campaign(
        toml, folder, [net._core for net in nets], core_images, database, engine, threads,
        "" if data_root is None else path("data_root", data_root), "", _reporter(progress),
    )  # fmt: skip
    return Results(database, name, temporary, report)


def _refuse_beside_evaluate(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name}: has no meaning beside evaluate, which runs the images itself")


def _told_path(net: Network, folder: str) -> str:
    """Where results say that a network came from."""
    told = net.path or f"{net.name or 'network'}.onnx"
    return told if folder == "." else os.path.abspath(told)


def _networks(networks: Networks) -> list[Network]:
    if isinstance(networks, (Network, str, os.PathLike)):
        return [_network("networks", networks)]
    if isinstance(networks, Mapping):
        return [
            _named(key, _network(f"networks[{key!r}]", net)) for key, net in networks.items()
        ]
    if not isinstance(networks, Sequence):
        raise TypeError(f"networks: expected a Network or several, got {describe(networks)}")
    if not networks:
        raise ValueError("networks: name at least one")
    return [_network(f"networks[{i}]", net) for i, net in enumerate(networks)]


def _named(key: str, net: Network) -> Network:
    """Results call a network by its own name where its metadata say which flatenn made it."""
    return net.named(key, {"version": _core.version(), **net.metadata})


def _network(name: str, value: object) -> Network:
    if isinstance(value, Network):
        return value
    if isinstance(value, (str, os.PathLike)):
        return load(value)
    raise TypeError(f"{name}: expected a Network or a path, got {describe(value)}")


def _levels(
    rates: float | Iterable[float] | None, counts: int | Iterable[int] | None
) -> dict[str, Any]:
    if rates is not None and counts is not None:
        raise ValueError("counts: contradicts rates; give one")
    if rates is not None:
        return {"rates": _some("rates", numbers("rates", rates, 0.0, 1.0))}
    if counts is not None:
        return {"counts": _some("counts", integers("counts", counts, 0, 2**62))}
    return {}


def _some(name: str, values: list[Any]) -> list[Any]:
    if not values:
        raise ValueError(f"{name}: name at least one")
    if len(set(values)) != len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"{name}: {twice} stands twice")
    return values


def _share(name: str, value: float | None) -> float | None:
    return None if value is None else number(name, value, 0.0, 1.0)


def _images_of_a_trial(images: str | int) -> dict[str, Any]:
    if isinstance(images, str):
        if images not in ("all", "auto"):
            raise ValueError(f'images: expected "all", "auto" or a number, got {images!r}')
        return {"images": None if images == "all" else images}
    return {"images_per_trial": integer("images", images, 1)}


def _fitting(
    nets: list[Network], data: Any, mean: npt.ArrayLike | None, std: npt.ArrayLike | None
) -> Images:
    """One set of images for all networks; a generator is read once."""
    images = images_for(nets[0], data, mean, std, labelled=True)
    for i, net in enumerate(nets[1:], 1):
        images = images_for(net, images, labelled=True, argument=f"data (for networks[{i}])")
    return images


def _reporter(progress: bool | Progress | None) -> Progress | None:
    if progress is None or progress is False:
        return None
    if progress is True:
        return _bar()
    if not callable(progress):
        raise TypeError(f"progress: expected True or a function, got {describe(progress)}")
    return progress


def _bar() -> Progress:
    """tqdm's bar where tqdm is installed, else a line on stderr."""
    try:
        from tqdm.auto import tqdm
    except ImportError:

        def show(done: int, wanted: int, cell: dict[str, Any] | None) -> None:
            label = "" if cell is None else f"  {cell['label']} {100 * cell['accuracy']:.2f} %"
            sys.stderr.write(f"\r{done}/{wanted} trials{label}\033[K")
            if done >= wanted:
                sys.stderr.write("\n")

        return show
    bar = tqdm(unit="trial")

    def update(done: int, wanted: int, cell: dict[str, Any] | None) -> None:
        bar.total = wanted
        bar.update(done - bar.n)
        if cell is not None:
            bar.set_postfix_str(f"{cell['label']} {100 * cell['accuracy']:.2f} %", refresh=False)
        if done >= wanted:
            bar.close()

    return update
