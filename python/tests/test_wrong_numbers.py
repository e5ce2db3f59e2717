"""What would be a wrong number in silence is refused, by the name of the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flatenn


def metric_of(images: Any) -> Any:
    return lambda network: network.run(images).argmax(1) == 0


def test_what_sources_fix_is_not_given_twice(lenet: flatenn.Network, data: Any) -> None:
    fixed = flatenn.FaultModel(sources=[{"kind": "stuck_at_1", "rate": 0.05}])
    kind_alone = flatenn.FaultModel(sources=[{"kind": "stuck_at_1"}])
    rate_alone = flatenn.FaultModel(sources=[{"rate": 0.05}])
    x = data[0][:20]
    for options in ({"evaluate": metric_of(x)}, {"data": data}):
        with pytest.raises(ValueError, match="kinds: the model's sources"):
            flatenn.campaign(lenet, model=kind_alone, kinds="bit_flip", trials=2, **options)
        with pytest.raises((ValueError, flatenn.Error), match="rates"):
            flatenn.campaign(lenet, model=rate_alone, rates=0.1, trials=2, **options)
    with pytest.raises(ValueError, match="rate: the model's sources"):
        flatenn.FaultMap.draw(lenet, rate=0.1, model=rate_alone)
    with pytest.raises(ValueError, match="count: the model's sources"):
        flatenn.FaultMap.draw(lenet, count=5, model=rate_alone)
    with pytest.raises(ValueError, match="kind: the model's sources"):
        flatenn.FaultMap.draw(lenet, rate=0.1, kind="stuck_at_0", model=kind_alone)
    with pytest.raises(ValueError, match="kind: expected one of"):
        flatenn.FaultMap.draw(lenet, rate=0.1, kind="")
    (cell,) = flatenn.campaign(lenet, model=fixed, evaluate=metric_of(x), trials=2).cells
    assert cell["kind"] == "faults" and cell["rate"] is None and cell["drawn"] > 0


def test_a_model_tells_the_kind(lenet: flatenn.Network, data: Any) -> None:
    stuck = flatenn.FaultModel("stuck_at_1")
    x = data[0][:20]
    for options in ({"evaluate": metric_of(x)}, {"data": data}):
        (cell,) = flatenn.campaign(lenet, model=stuck, rates=0.01, trials=2, **options).cells
        assert cell["kind"] == "stuck_at_1"


@pytest.mark.parametrize(
    "value",
    [["0.5"], [b"1"], [1 + 2j], [np.datetime64("2020-01-01")], [10**400], [None],
     np.ma.array([1.0, 2.0], mask=[0, 1])],
    ids=repr,
)  # fmt: skip
def test_metrics_that_are_no_numbers(lenet: flatenn.Network, value: Any) -> None:
    with pytest.raises(TypeError, match="^evaluate: expected a number"):
        flatenn.campaign(lenet, evaluate=lambda network: value, trials=2)


@pytest.mark.parametrize("value", [[np.nan], [np.inf], 1e308 * np.ones(4)], ids=repr)
def test_metrics_without_a_mean(lenet: flatenn.Network, value: Any) -> None:
    with pytest.raises(ValueError, match="^evaluate: gave numbers whose mean is not finite"):
        flatenn.campaign(lenet, evaluate=lambda network: value, trials=2)


@pytest.mark.parametrize(
    "options",
    [{"engine": "abacus"}, {"threads": -5}, {"data_root": 5}, {"kinds": ["bit_flip"] * 2},
     {"name": ""}, {"store": ""}, {"store": "nowhere/x.db"}, {"store": "/"}],
    ids=str,
)  # fmt: skip
def test_options_beside_evaluate(lenet: flatenn.Network, options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match="^" + next(iter(options))):
        flatenn.campaign(lenet, evaluate=lambda network: 1.0, trials=2, **options)


def test_a_report_does_not_overwrite_its_results(
    lenet: flatenn.Network, data: Any, tmp_path: Any
) -> None:
    x = data[0][:20]
    for number, options in enumerate(({"evaluate": metric_of(x)}, {"data": data})):
        store = tmp_path / f"{number}.db"
        results = flatenn.campaign(lenet, rates=0.01, trials=2, store=store, **options)
        with pytest.raises(ValueError, match="^file: .* is the result file itself"):
            results.report(store)
        with pytest.raises(ValueError, match="^file: "):
            results.report(tmp_path / "." / store.name)


def test_maps_tell_what_is_applied(lenet: flatenn.Network) -> None:
    drawn = flatenn.FaultMap.draw(lenet, rate=0.01)
    for column in (drawn.layer, drawn.element, drawn.bit, drawn.kind, drawn.is_bias):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = column[1]


def test_batches_are_checked_one_by_one(lenet: flatenn.Network, data: Any) -> None:
    x, y = data[0][:40], data[1][:40]
    with pytest.raises(ValueError, match=r"data\[0\]: 20 images and 19 labels"):
        lenet.evaluate([(x[:20], y[:19]), (x[20:], y[19:])])
    real = np.zeros((1, 28, 28), np.float32)
    with pytest.raises(TypeError, match="data: images of several types: float32, uint8"):
        lenet.evaluate([(real.astype(np.uint8), 1), (real, 2)])


@pytest.mark.parametrize(
    "options",
    [{"std": np.inf, "mean": 0.5}, {"std": 1e-320, "mean": 0.5}, {"std": 0, "mean": 0.5},
     {"mean": True, "std": 1}, {"mean": 1e7, "std": 1}, {"mean": 1 + 2j, "std": 1}],
    ids=str,
)  # fmt: skip
def test_constants_that_normalize_nothing(
    lenet: flatenn.Network, options: dict[str, Any]
) -> None:
    pixels = np.zeros((2, 1, 28, 28), np.uint8)
    with pytest.raises((TypeError, ValueError), match="^" + next(iter(options))):
        lenet.run(pixels, **options)


def test_half_of_a_data_sets_constants(lenet: flatenn.Network) -> None:
    known = lenet.named("known", {"dataset": "mnist"})
    with pytest.raises(ValueError, match="^std: is missing beside mean .this network is for mnist"):
        known.run(np.zeros((2, 1, 28, 28), np.uint8), mean=0.5)


def test_masked_arrays_have_no_numbers(lenet: flatenn.Network) -> None:
    x = np.ma.zeros((2, 1, 28, 28), np.float32)
    with pytest.raises(TypeError, match="^images: masked arrays"):
        lenet.run(x)
