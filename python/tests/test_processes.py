"""Memory, threads, processes, signals and start-up."""

from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import os
import pathlib
import pickle
import resource
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from conftest import random_images, random_labels

import flatenn


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_draws_leak_nothing(lenet: flatenn.Network) -> None:
    def draw(count: int) -> None:
        for trial in range(count):
            flatenn.FaultMap.draw(lenet, rate=0.001, seed=1, trial=trial)

    draw(500)
    gc.collect()
    before = resident()
    draw(10_000)
    gc.collect()
    assert resident() - before < 8 * 2**20


def test_runs_and_campaigns_leak_nothing(lenet: flatenn.Network) -> None:
    images, labels = random_images(lenet, 200), random_labels(lenet, 200)

    def work() -> None:
        lenet.run(images)
        lenet.with_faults(flatenn.FaultMap.draw(lenet, rate=0.01)).weights("fc5")
        flatenn.campaign(lenet, (images, labels), rates=0.01, trials=3).close()

    for _ in range(5):
        work()
    gc.collect()
    before = resident()
    for _ in range(40):
        work()
    gc.collect()
    assert resident() - before < 16 * 2**20


def test_a_trial_copies_no_weights(lenet: flatenn.Network) -> None:
    """A thousand maps held at once, each a thousandth of the weights' size."""
    size = sum(row["weights"] for row in lenet.layers)
    before = resident()
    maps = [flatenn.FaultMap.draw(lenet, count=4, trial=trial) for trial in range(1000)]
    assert len(maps) == 1000
    assert resident() - before < 1000 * size / 4


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_arrays_are_read_where_they_lie(lenet: flatenn.Network, dtype: type) -> None:
    from flatenn._images import images_for

    array = random_images(lenet, 5).astype(dtype)
    mean = [0.5] if dtype == np.uint8 else None
    once = images_for(lenet, array, mean, labelled=False)
    assert np.shares_memory(once.images, array)
    kept = flatenn.Images(array, mean=mean)
    assert not np.shares_memory(kept.images, array) and kept.hash == once.hash
    before = kept.hash
    array += 1
    assert kept.hash == before != once.hash
    alone = images_for(lenet, random_images(lenet, 5), labelled=False)
    gc.collect()
    assert np.array_equal(alone.images, random_images(lenet, 5))  # it keeps the array alive


def test_images_are_shared_and_not_copied(lenet: flatenn.Network) -> None:
    images = flatenn.Images(random_images(lenet, 20_000), random_labels(lenet, 20_000))
    assert np.shares_memory(images.images, images.images)
    assert not images.images.flags.writeable
    before = resident()
    views = [images.images for _ in range(1000)]
    assert len(views) == 1000 and resident() - before < 2**20


def test_threads_share_a_network(lenet: flatenn.Network) -> None:
    images = random_images(lenet, 64)
    maps = [flatenn.FaultMap.draw(lenet, rate=0.01, trial=trial) for trial in range(16)]
    expected = [lenet.with_faults(drawn).run(images, threads=1) for drawn in maps]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda drawn: lenet.with_faults(drawn).run(images, threads=1), maps))
    assert all(np.array_equal(a, b) for a, b in zip(got, expected))


def test_other_threads_go_on_while_trials_run(lenet: flatenn.Network) -> None:
    images, labels = random_images(lenet, 2000), random_labels(lenet, 2000)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            flatenn.campaign, lenet, (images, labels), rates=0.01, trials=100, threads=1
        )
        ticks = 0
        while not running.done():
            ticks += 1
            time.sleep(0.001)
        running.result()
    assert ticks > 20


def _work(net: flatenn.Network, images: np.ndarray) -> np.ndarray:
    drawn = flatenn.FaultMap.draw(net, rate=0.01, seed=4)
    return net.with_faults(drawn).run(images)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes(lenet: flatenn.Network, method: str) -> None:
    images = random_images(lenet, 32)
    expected = _work(lenet, images)  # the parent has used its threads before the children start
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        for got in pool.map(_work, [lenet] * 3, [images] * 3, timeout=120):
            assert np.array_equal(got, expected)


def test_two_processes_share_a_campaign(lenet_path: str, tmp_path: pathlib.Path) -> None:
    program = f"""
    import numpy as np, flatenn
    net = flatenn.load({lenet_path!r})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1, 28, 28)).astype(np.float32)
    y = rng.integers(0, 10, 200)
    flatenn.campaign(net, (x, y), rates=[0.01], trials=400, store={str(tmp_path / "r.db")!r})
    """
    running = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)]) for _ in range(2)
    ]
    assert [process.wait(timeout=200) for process in running] == [0, 0]
    assert sorted(flatenn.load_results(tmp_path / "r.db").trials["trial"]) == list(range(400))


def test_ctrl_c_stores_and_raises(lenet_path: str, tmp_path: pathlib.Path) -> None:
    program = f"""
    import numpy as np, flatenn
    net = flatenn.load({lenet_path!r})
    x = np.zeros((2000, 1, 28, 28), np.float32)
    def tell(done, wanted, cell):
        print("trials", done, flush=True)
    try:
        flatenn.campaign(net, (x, np.zeros(2000, int)), rates=[0.01], trials=1_000_000,
                         store={str(tmp_path / "r.db")!r}, progress=tell)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    running = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    while running.stdout.readline().split()[-1] == "0":
        pass
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted"
    assert 0 < len(flatenn.load_results(tmp_path / "r.db").trials) < 1_000_000


def test_ctrl_c_ends_a_run(lenet: flatenn.Network) -> None:
    images = random_images(lenet, 1)
    many = np.broadcast_to(images, (50_000, *images.shape[1:]))
    kept = flatenn.Images(many)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            for _ in range(1000):
                lenet.run(kept, engine="reference", threads=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_import_costs_next_to_nothing() -> None:
    """Under 150 ms beyond the interpreter's own start, of the processor's time: best of several."""

    def seconds(code: str) -> float:
        best = float("inf")
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            best = min(best, used)
        return best

    assert seconds("import flatenn") - seconds("pass") < 0.15


def test_import_loads_nothing_that_is_not_asked_for() -> None:
    code = "import flatenn, sys; print(*[m for m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(out.stdout.split())
    assert not loaded & {"numpy", "torch", "pandas", "polars", "matplotlib", "flatenn._core"}


def test_images_pickle(lenet: flatenn.Network) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 28, 28), np.uint8)
    for images in (
        flatenn.Images(pixels, np.arange(5), mean=[0.5], std=[0.2], name="five"),
        flatenn.Images(random_images(lenet, 5)),
    ):
        copy = pickle.loads(pickle.dumps(images))
        assert copy.hash == images.hash and copy.name == images.name
        assert copy.images.dtype == images.images.dtype
        assert np.array_equal(lenet.run(copy), lenet.run(images))
