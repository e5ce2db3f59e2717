"""Every mistake is a Python exception of a fitting type that names the argument."""

from __future__ import annotations

import gc
import pathlib
import re
import sqlite3
import sys
from typing import Any

import numpy as np
import pytest
from conftest import random_images, random_labels

import flatenn


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (np.zeros((2, 1, 28, 28), np.int32), TypeError),
        (np.zeros((2, 1, 28, 28), np.complex64), TypeError),
        (np.zeros((2, 1, 28, 28), object), TypeError),
        (np.full((2, 1, 28, 28), "a"), TypeError),
        (np.zeros((2, 28 * 28), np.float32), ValueError),
        (np.zeros((2, 1, 28, 27), np.float32), ValueError),
        (np.zeros((2, 3, 28, 28), np.float32), ValueError),
        (np.zeros((0, 1, 28, 28), np.float32), ValueError),
        (np.zeros((2, 1, 28, 28), np.uint8), ValueError),  # neither mean nor a known data set
        (np.full((2, 1, 28, 28), np.nan, np.float32), flatenn.Error),
        (np.full((2, 1, 28, 28), np.inf), flatenn.Error),
        (None, TypeError),
        (7, TypeError),
        (object(), TypeError),
        ([], ValueError),
        (iter([]), ValueError),
    ],
    ids=repr,
)
def test_images(small: flatenn.Network, lenet: flatenn.Network, images: Any, error: Any) -> None:
    net = lenet.named("plain", {})
    with pytest.raises(error, match="^(images|mean)"):
        net.run(images)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.zeros(4, np.float32), TypeError),
        (np.zeros(3, np.int64), ValueError),
        (np.zeros((4, 1), np.int64), ValueError),
        (np.array([0, 1, 2, -1]), ValueError),
        (np.array([0, 1, 2, 10]), ValueError),
        (np.array([0, 1, 2, 2**40]), ValueError),
        (["a", "b", "c", "d"], TypeError),
    ],
    ids=repr,
)
def test_labels(lenet: flatenn.Network, labels: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="^labels"):
        flatenn.campaign(lenet, (random_images(lenet, 4), labels), trials=1)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"rates": []}, ValueError, "rates"),
        ({"rates": [0.1, 0.1]}, ValueError, "rates.*twice"),
        ({"rates": [-0.1]}, ValueError, r"rates\[0\]"),
        ({"rates": "0.1"}, TypeError, "rates"),
        ({"rates": 0.1, "counts": 3}, ValueError, "counts"),
        ({"counts": [1.5]}, TypeError, "counts"),
        ({"kinds": []}, ValueError, "kinds"),
        ({"kinds": ["bit_flop"]}, ValueError, r"kinds\[0\]"),
        ({"kinds": 3}, TypeError, "kinds"),
        ({"trials": 0}, ValueError, "trials"),
        ({"trials": 2.5}, TypeError, "trials"),
        ({"trials": True}, TypeError, "trials"),
        ({"seed": -1}, ValueError, "seed"),
        ({"half_width": 2}, ValueError, "half_width"),
        ({"images": "some"}, ValueError, "images"),
        ({"images": 0}, ValueError, "images"),
        ({"single_fault": "few"}, flatenn.Error, "single_fault"),
        ({"engine": "abacus"}, ValueError, "engine"),
        ({"threads": -1}, ValueError, "threads"),
        ({"store": 7}, TypeError, "store"),
        ({"name": 7}, TypeError, "name"),
        ({"progress": "bar"}, TypeError, "progress"),
        ({"evaluate": 3}, TypeError, "evaluate"),
        ({"evaluate": len, "half_width": 0.1}, ValueError, "half_width"),
        ({"evaluate": len, "images": 5}, ValueError, "images"),
        ({"evaluate": len, "single_fault": "sampled"}, ValueError, "single_fault"),
        ({"model": "bit_flip"}, TypeError, "model"),
        ({"time_limit": float("nan")}, ValueError, "time_limit"),
        ({"store": "/nonexistent/folder/r.db"}, flatenn.Error, "/nonexistent"),
    ],
    ids=repr,
)
def test_campaign(
    lenet: flatenn.Network, options: Any, error: type[Exception], match: str
) -> None:
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    with pytest.raises(error, match=match):
        flatenn.campaign(lenet, data, **{"trials": 1, **options})


def test_networks(lenet: flatenn.Network, tmp_path: pathlib.Path) -> None:
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    with pytest.raises(FileNotFoundError, match="path"):
        flatenn.load(tmp_path / "none.onnx")
    with pytest.raises(TypeError, match="path"):
        flatenn.load(3)  # type: ignore[arg-type]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(flatenn.Error, match=r"broken\.onnx"):
        flatenn.load(broken)
    with pytest.raises(TypeError, match="networks"):
        flatenn.campaign(7, data)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="networks"):
        flatenn.campaign([], data)
    with pytest.raises(TypeError, match=r"networks\[1\]"):
        flatenn.campaign([lenet, None], data)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="core"):
        flatenn.Network("lenet")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="layer"):
        lenet.weights("fc9")
    with pytest.raises(ValueError, match="layer"):
        lenet.weights(7)
    with pytest.raises(ValueError, match="activation"):
        lenet.codes(data[0], "fc7")


def test_data_sets_that_change_their_length(lenet: flatenn.Network) -> None:
    image = random_images(lenet, 1)[0]

    class Short:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, i: int) -> Any:
            if i == 3:
                raise IndexError(i)
            return image, 0

    class Growing(list[Any]):
        def __getitem__(self, i: Any) -> Any:
            self.append(super().__getitem__(0))
            return super().__getitem__(i)

    class Tired(Short):
        def __getitem__(self, i: int) -> Any:
            if i == 3:
                raise RuntimeError("the disk is gone")
            return image, 0

    with pytest.raises(ValueError, match="data: said it has 5 items and ended after 3"):
        flatenn.campaign(lenet, Short(), trials=1)
    with pytest.raises(ValueError, match="data: changed its length from 2"):
        flatenn.campaign(lenet, Growing([(image, 0), (image, 1)]), trials=1)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        flatenn.campaign(lenet, Tired(), trials=1)
    with pytest.raises(ValueError, match="data: needs labels"):
        flatenn.campaign(lenet, random_images(lenet, 2), trials=1)
    with pytest.raises(ValueError, match="data: images of several shapes"):
        flatenn.campaign(lenet, [(image, 0), (image[:, :5], 0)], trials=1)
    with pytest.raises(ValueError, match="data: 1 of 2 items have labels"):
        flatenn.campaign(lenet, [(image, 0), image], trials=1)


def test_metrics_that_change_their_length(lenet: flatenn.Network) -> None:
    lengths = iter([4, 4, 3])
    with pytest.raises(ValueError, match="evaluate: gave numbers for 4 images .* for 3 now"):
        flatenn.campaign(
            lenet, evaluate=lambda network: np.ones(next(lengths)), rates=0.1, trials=5
        )


def test_generators_are_read_once(lenet: flatenn.Network) -> None:
    batches = iter([(random_images(lenet, 4), random_labels(lenet, 4))])
    assert lenet.evaluate(batches)["images"] == 4
    with pytest.raises(ValueError, match="data.*only once"):
        lenet.evaluate(batches)


def test_stores(lenet: flatenn.Network, tmp_path: pathlib.Path) -> None:
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    results = flatenn.campaign(lenet, data, rates=0.01, trials=2)
    with results:
        assert len(results.trials) == 2
    with pytest.raises(ValueError, match="results: the store .* is closed"):
        results.report(tmp_path / "r.html")
    assert results.cells[0]["trials"] == 2  # numbers already read stay
    kept = flatenn.campaign(lenet, data, rates=0.01, trials=2, store=tmp_path / "r.db")
    (tmp_path / "r.db").unlink()
    with pytest.raises(FileNotFoundError, match="results"):
        kept.trials
    with pytest.raises(FileNotFoundError, match="store"):
        flatenn.load_results(tmp_path / "r.db")
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(flatenn.Error, match=r"text\.db"):
        flatenn.load_results(tmp_path / "text.db")
    with pytest.raises(flatenn.Error, match=r"text\.db"):
        flatenn.campaign(lenet, data, rates=0.01, trials=2, store=tmp_path / "text.db")
    with pytest.raises(ValueError, match="store"):
        flatenn.campaign(
            lenet, evaluate=lambda network: 1.0, trials=1, store=tmp_path / "text.db"
        )
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table plans(a)")
    with pytest.raises(ValueError, match="store"):
        flatenn.campaign(
            lenet, evaluate=lambda network: 1.0, trials=1, store=tmp_path / "other.db"
        )


def test_pickles_that_nobody_wrote(lenet: flatenn.Network) -> None:
    from flatenn import _core

    for state in (b"", b"\xff" * 40, b"\xa0"):
        blank = _core.Network.__new__(_core.Network)
        with pytest.raises((flatenn.Error, TypeError)):
            blank.__setstate__(state)


@pytest.mark.parametrize(
    ("package", "call", "extra"),
    [
        ("pandas", lambda results, net: results.to_pandas(), "pandas"),
        ("polars", lambda results, net: results.to_polars(), "polars"),
        ("matplotlib.pyplot", lambda results, net: results.plot(), "plot"),
        ("torch", lambda results, net: flatenn.from_torch(net, net), "torch"),
        ("torch", lambda results, net: flatenn.memory_from_torch(net), "torch"),
        ("torch", lambda results, net: flatenn.apply_to_torch(net, net), "torch"),
    ],
)
def test_packages_that_are_not_installed(
    lenet: Any, monkeypatch: pytest.MonkeyPatch, package: str, call: Any, extra: str
) -> None:
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    results = flatenn.campaign(lenet, data, rates=0.1, trials=2)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}.*'flatenn\[{extra}\]'"):
        call(results, lenet)


NUL, SURROGATE = "a\0b", "\ud800"


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda net, r: net.named("a", {"epochs": 5}), TypeError, r"metadata\['epochs'\]"),
        (lambda net, r: net.named("a", {5: "a"}), TypeError, "metadata key"),
        (lambda net, r: net.named("a", 5), TypeError, "metadata"),
        (lambda net, r: net.named(NUL), ValueError, "name"),
        (lambda net, r: net.named(SURROGATE), ValueError, "name"),
        (lambda net, r: net.named("a", {"b": SURROGATE}), ValueError, r"metadata\['b'\]"),
        (lambda net, r: net.save(""), ValueError, "path"),
        (lambda net, r: net.save(NUL), ValueError, "path"),
        (lambda net, r: net.codes(random_images(net, 1), "nope"), KeyError, "activation: 'nope'"),
        (lambda net, r: net.weights("nope"), KeyError, "layer: 'nope'"),
        (lambda net, r: net.run(random_images(net, 1), threads=1025), ValueError,
         r"threads: .*\[0, 1024\], got 1025"),
        (lambda net, r: net.run({"a": random_images(net, 1)}), TypeError, "images: .*keys 'a'"),
        (lambda net, r: net.evaluate([{"image": 1, "label": 2}]), TypeError,
         r"data\[0\]: .*'image', 'label'"),
        (lambda net, r: r.report("r.html", title=5), TypeError, "title"),
        (lambda net, r: r.report("r.html", title=NUL), ValueError, "title"),
        (lambda net, r: r.report("/nonexistent/r.html"), FileNotFoundError, "file: /nonexistent"),
        (lambda net, r: r.report("/"), IsADirectoryError, "file: /"),
        (lambda net, r: r.plot(ax=5), TypeError, "ax"),
        (lambda net, r: flatenn.campaign({1: net}), TypeError, "networks key"),
        (lambda net, r: flatenn.campaign(net, name=NUL), ValueError, "name"),
        (lambda net, r: flatenn.campaign(net, name=SURROGATE), ValueError, "name"),
        (lambda net, r: flatenn.campaign(net, random_images(net, 1), store=NUL), ValueError,
         "data|store"),
        (lambda net, r: flatenn.load_results(SURROGATE), ValueError, "store"),
        (lambda net, r: flatenn.Images(random_images(net, 1), class_names=5), TypeError,
         "class_names"),
        (lambda net, r: flatenn.FaultModel(sources=5), TypeError, "sources"),
        (lambda net, r: flatenn.FaultModel(sources=[{5: 1}]), TypeError, r"sources\[0\]: .*keys"),
        (lambda net, r: flatenn.FaultModel(sources=[{"target": None}]), TypeError,
         r"sources\[0\]\.target"),
        (lambda net, r: flatenn.FaultModel(array={"rows": {1}}), TypeError, r"array\.rows"),
        (lambda net, r: flatenn.FaultMap.of(net, layer=-1, element=0, bit=0), ValueError,
         "layer: -1"),
        (lambda net, r: flatenn.FaultMap.of(net, layer=99, element=0, bit=0), ValueError,
         "layer: 99"),
        (lambda net, r: flatenn.FaultMap.of(net, layer=0, element=[[1], [1, 2]], bit=0), TypeError,
         "element"),
        (lambda net, r: flatenn.FaultMap.draw(net, rate=0.1).save("/nonexistent/m.json"),
         FileNotFoundError, "file: /nonexistent"),
    ],
)  # fmt: skip
def test_one_line_names_the_argument(
    lenet: flatenn.Network, shared: flatenn.Results, call: Any, error: Any, match: str
) -> None:
    with pytest.raises(error) as told:
        call(lenet, shared)
    assert re.match(match, str(told.value)) and "\n" not in str(told.value)


@pytest.fixture(scope="module")
def shared(lenet: flatenn.Network) -> flatenn.Results:
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    return flatenn.campaign(lenet, data, rates=0.01, trials=2)


def test_numbers_of_numpy_are_welcome(lenet: flatenn.Network) -> None:
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    results = flatenn.campaign(lenet, data, rates=np.array(0.25), trials=np.int64(2))
    assert results.cells["rate"] == [0.25]
    source = {"target": "weights", "rate": np.float64(0.5), "bits": np.array([0, 1])}
    plain = {"target": "weights", "rate": 0.5, "bits": [0, 1]}
    assert flatenn.FaultModel(sources=[source]) == flatenn.FaultModel(sources=[plain])
    assert flatenn.FaultModel(sources=[{**plain, "rate": np.float32(0.5)}]) == flatenn.FaultModel(
        sources=[plain]
    )


def test_maps_may_be_empty(lenet: flatenn.Network) -> None:
    empty = flatenn.FaultMap.of(lenet, layer=[], element=[], bit=[])
    assert len(empty) == 0 and lenet.with_faults(empty) == lenet


@pytest.mark.parametrize("length", [-1, 10**20])
def test_lengths_that_are_none(lenet: flatenn.Network, length: int) -> None:
    class Endless:
        def __len__(self) -> int:
            return length

        def __getitem__(self, i: int) -> Any:
            raise AssertionError

    with pytest.raises(ValueError, match="^data: its __len__ tells no number"):
        lenet.evaluate(Endless())


def test_index_errors_of_ones_own_stay_visible(lenet: flatenn.Network) -> None:
    class Broken:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, i: int) -> Any:
            return [0, 1][i + 2]

    with pytest.raises(ValueError, match="IndexError: list index out of range") as told:
        lenet.evaluate(Broken())
    assert isinstance(told.value.__cause__, IndexError)
    with pytest.raises(IndexError, match="list index"):
        lenet.evaluate([][i] for i in range(3))


@pytest.mark.filterwarnings("error")
def test_temporary_results_leave_no_warning_and_no_file(
    lenet: flatenn.Network, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = (random_images(lenet, 4), random_labels(lenet, 4))
    results = flatenn.campaign(lenet, data, rates=0.01, trials=2)
    again = results.refresh()
    del results
    gc.collect()
    assert len(again.trials) == 2 and list(tmp_path.iterdir())
    del again
    gc.collect()
    assert not list(tmp_path.iterdir())
    with pytest.raises(flatenn.Error):
        flatenn.campaign(lenet, data, single_fault="few", trials=2)
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="campain"):
        flatenn.campain  # type: ignore[attr-defined]
    assert "campaign" in dir(flatenn)
