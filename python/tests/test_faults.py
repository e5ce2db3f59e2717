from __future__ import annotations

import json
import pathlib
import pickle
import subprocess

import numpy as np
import pytest
from conftest import random_images

import flatenn
from flatenn import FaultMap, FaultModel


def test_a_map_is_a_function_of_its_arguments(lenet: flatenn.Network) -> None:
    a = FaultMap.draw(lenet, rate=0.01, seed=7, trial=3)
    assert a == FaultMap.draw(lenet, rate=0.01, seed=7, trial=3)
    assert a != FaultMap.draw(lenet, rate=0.01, seed=7, trial=4)
    assert a != FaultMap.draw(lenet, rate=0.01, seed=8, trial=3)


def test_arrays_are_in_the_memorys_order(lenet: flatenn.Network) -> None:
    drawn = FaultMap.draw(lenet, rate=0.01, seed=1)
    assert drawn.layer.dtype == np.int32 and drawn.element.dtype == np.int64
    assert len(drawn) == len(drawn.layer) == len(drawn.bit) == len(drawn.kind)
    places = list(zip(drawn.layer, drawn.element, drawn.bit))
    assert places == sorted(places) and len(set(places)) == len(places)
    expected = lenet.weight_bits * 0.01
    assert abs(len(drawn) - expected) < 5 * np.sqrt(expected)
    assert drawn.counts["drawn"] == drawn.counts["landed"] == len(drawn)


def test_maps_nest(lenet: flatenn.Network) -> None:
    few, many = (FaultMap.draw(lenet, rate=rate, seed=3) for rate in (0.001, 0.01))
    sites = [set(zip(m.layer, m.element, m.bit)) for m in (few, many)]
    assert sites[0] < sites[1]
    assert len(FaultMap.draw(lenet, count=17)) == 17
    assert len(FaultMap.draw(lenet, rate=0.0)) == 0
    assert len(FaultMap.draw(lenet, rate=1.0)) == lenet.weight_bits


@pytest.mark.parametrize("kind", FaultMap.KINDS)
def test_faulty_networks_hold_the_faulty_words(lenet: flatenn.Network, kind: str) -> None:
    drawn = FaultMap.draw(lenet, rate=0.02, seed=5, kind=kind)
    faulty = lenet.with_faults(drawn)
    for index, row in enumerate(lenet.layers):
        if not row["weights"]:
            continue
        words = lenet.weights(index).ravel().astype(np.int64) & (2 ** row["bits"] - 1)
        for element, bit in zip(drawn.element[drawn.layer == index], drawn.bit[drawn.layer == index]):
            mask = 1 << int(bit)
            if kind == "bit_flip":
                words[element] ^= mask
            elif kind == "stuck_at_1":
                words[element] |= mask
            else:
                words[element] &= ~mask
        half = 2 ** (row["bits"] - 1)
        codes = (words + half) % (2 * half) - half
        assert np.array_equal(faulty.weights(index).ravel(), codes), row["name"]
    assert faulty.fault_map is drawn and faulty != lenet


def test_given_faults(lenet: flatenn.Network) -> None:
    given = FaultMap.of(lenet, layer=["fc7", "conv1"], element=[5, 2], bit=[3, 0])
    assert given.layer.tolist() == [0, 6] and given.element.tolist() == [2, 5]
    faulty = lenet.with_faults(given)
    changed = faulty.weights("fc7").ravel() != lenet.weights("fc7").ravel()
    assert changed.nonzero()[0].tolist() == [5]
    bias = FaultMap.of(lenet, layer="fc7", element=1, bit=30, is_bias=True, kind="stuck_at_1")
    assert lenet.with_faults(bias).bias("fc7")[1] == lenet.bias("fc7")[1] | (1 << 30)
    with pytest.raises(flatenn.Error, match="element"):
        FaultMap.of(lenet, layer="fc7", element=10**6, bit=0)
    with pytest.raises(ValueError, match="layer.*'fc9'"):
        FaultMap.of(lenet, layer="fc9", element=0, bit=0)
    with pytest.raises(ValueError, match="kind"):
        FaultMap.of(lenet, layer="fc7", element=0, bit=0, kind="stuck")


@pytest.mark.parametrize("extension", [".json", ".csv"])
def test_files_bring_the_map_back(
    lenet: flatenn.Network, tmp_path: pathlib.Path, extension: str
) -> None:
    drawn = FaultMap.draw(lenet, rate=0.01, seed=2)
    drawn.save(tmp_path / f"map{extension}")
    assert FaultMap.load(lenet, tmp_path / f"map{extension}") == drawn
    with pytest.raises(ValueError, match="file"):
        drawn.save(tmp_path / "map.txt")


def test_the_command_draws_the_same_map(
    lenet: flatenn.Network, lenet_path: str, program: str, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "map.json"
    subprocess.run(
        [program, "faults", "draw", lenet_path, "--rate", "0.01", "--seed", "7", "--trial", "3",
         "-o", out],
        check=True, capture_output=True,
    )  # fmt: skip
    drawn = FaultMap.draw(lenet, rate=0.01, seed=7, trial=3)
    assert FaultMap.load(lenet, out) == drawn
    drawn.save(tmp_path / "ours.json")
    ours, theirs = (json.loads(p.read_text()) for p in (tmp_path / "ours.json", out))
    assert ours["faults"] == theirs["faults"]


MODELS = [
    FaultModel("stuck_at_1", encoding="gray", bits=[-1]),
    FaultModel(layers="fc5", biases=True),
    FaultModel(encoding="differential_pair"),
    FaultModel(protection={"code": "secded", "zero_detected": True}),
    FaultModel(
        sources=[{"unit": "row", "rate": 0.01, "kind": "stuck_at_0"}, {"unit": "bit"}],
        array={"rows": 64, "columns": 64, "bits_per_cell": 2},
    ),
    FaultModel(protection={"clip_share": 0.5, "hardened_bits": 1}),
]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_models_and_their_maps_pickle(lenet: flatenn.Network, model: FaultModel) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert again == model and again.to_dict() == model.to_dict()
    drawn = FaultMap.draw(lenet, rate=0.01, seed=1, model=model)
    copy = pickle.loads(pickle.dumps(drawn))
    assert copy == drawn and copy.counts == drawn.counts
    images = random_images(lenet, 5)
    faulty = lenet.with_faults(drawn).run(images)
    assert np.array_equal(lenet.with_faults(copy).run(images), faulty)


def test_maps_from_files_pickle(lenet: flatenn.Network, tmp_path: pathlib.Path) -> None:
    model = FaultModel(encoding="sign_magnitude", protection={"code": "parity"})
    drawn = FaultMap.draw(lenet, rate=0.01, model=model)
    drawn.save(tmp_path / "map.json")
    loaded = FaultMap.load(lenet, tmp_path / "map.json")
    assert loaded == drawn and loaded.counts == drawn.counts
    copy = pickle.loads(pickle.dumps(loaded))
    assert copy == drawn and copy.counts == drawn.counts


def test_what_is_wrong_is_named(lenet: flatenn.Network, small: flatenn.Network) -> None:
    with pytest.raises(ValueError, match="rate"):
        FaultMap.draw(lenet)
    with pytest.raises(ValueError, match="rate"):
        FaultMap.draw(lenet, rate=1.5)
    with pytest.raises(ValueError, match="rate"):
        FaultMap.draw(lenet, rate=float("nan"))
    with pytest.raises(TypeError, match="rate"):
        FaultMap.draw(lenet, rate="0.1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count"):
        FaultMap.draw(lenet, rate=0.1, count=3)
    with pytest.raises(ValueError, match="trial"):
        FaultMap.draw(lenet, rate=0.1, trial=2**32)
    with pytest.raises(TypeError, match="network"):
        FaultMap.draw("lenet", rate=0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="network"):
        FaultMap.of("lenet", layer=0, element=0, bit=0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="network"):
        FaultMap.load("lenet", __file__)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model"):
        FaultMap.of(lenet, layer=0, element=0, bit=0, model="flip")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="encoding"):
        FaultModel(encoding="morse")
    with pytest.raises(flatenn.Error, match="rows"):
        FaultModel(array={"rows": 0, "columns": 4})
    with pytest.raises(flatenn.Error, match="fc9"):
        FaultMap.draw(lenet, rate=0.1, model=FaultModel(layers="fc9"))
    with pytest.raises(ValueError, match="another network"):
        small.with_faults(FaultMap.draw(lenet, rate=0.1))
