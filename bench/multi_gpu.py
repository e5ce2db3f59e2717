#!/usr/bin/env python3
"""How much faster campaigns are on several GPUs than on the first of them, in one process.

    python3 bench/multi_gpu.py build/cuda/flatenn build/cuda/tests/flatenn_write_model [--devices 0-1]

For LeNet-5 and ResNet-18 with random weights, on random images: the same plan on cuda:0 and on all
devices, in turns; prints both times, their ratio, and the share of linear that it is. The tables must
be equal. Trials are many, so that starting, which is in the figures, weighs little.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

IMAGES = 10_000
NETWORKS = {"lenet5": {"shape": (1, 28, 28), "trials": 20_000}, "resnet18": {"shape": (3, 32, 32), "trials": 300}}


def write_images(folder, shape, images=IMAGES):
    """Random images as IDX files (gray) or in CIFAR-10's binary form."""
    pixels = shape[0] * shape[1] * shape[2]
    if shape[0] == 3:
        data = os.urandom(images * pixels)
        rows = b"".join(bytes([i % 10]) + data[i * pixels : (i + 1) * pixels] for i in range(images))
        for name in ("data_batch_1.bin", "test_batch.bin"):
            (folder / name).write_bytes(rows)
        return
    for split in ("train", "t10k"):
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (images, *shape[1:]))
        (folder / f"{split}-images-idx3-ubyte").write_bytes(head + os.urandom(images * pixels))
        labels = bytes(i % 10 for i in range(images))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + images.to_bytes(4, "big") + labels)


def run(flatenn, model, data, trials, engine, database):
    command = [flatenn, "-q", "campaign", "--model", model, "--data", data, "--rates", "0.01", "--kinds", "bit_flip",
               "--trials", str(trials), "--engine", engine, "--db", database, "--json"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    end = json.loads(text.splitlines()[-1])
    table = subprocess.run([flatenn, "results", database, "--csv"], check=True, stdout=subprocess.PIPE).stdout
    return end, table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flatenn")
    parser.add_argument("write_model", help="the test program that writes models of random weights")
    parser.add_argument("--devices", default="0-1", help="as after cuda: (default: 0-1)")
    parser.add_argument("--engines", nargs=2, help="one and several, in place of cuda:0 and cuda:DEVICES")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--trials", type=float, default=1, help="times so many trials")
    options = parser.parse_args()
    engines = options.engines or ["cuda:0", f"cuda:{options.devices}"]
    for name, network in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            model = str(folder / "model.onnx")
            subprocess.run([options.write_model, model, name], check=True)
            data = folder / "data"
            data.mkdir()
            write_images(data, network["shape"])
            seconds = {engine: [] for engine in engines}
            tables = set()
            trials = max(1, round(network["trials"] * options.trials))
            for repetition in range(options.repetitions):
                for engine in engines:
                    database = str(folder / f"{engine.replace(':', '-')}-{repetition}.db")
                    end, table = run(options.flatenn, model, str(data), trials, engine, database)
                    seconds[engine].append(end["seconds"])
                    tables.add(table)
                    print(f"{name} {end['engine']}: {trials} trials in {end['seconds']:.2f} s",
                          *(f"({part['name']}: {part['trials']})" for part in end["parts"]), flush=True)
            if len(tables) != 1:
                raise SystemExit(f"{name}: the tables differ")
            one, several = (statistics.median(seconds[engine]) for engine in engines)
            parts = max(1, len(end["parts"]))
            print(f"{name}: {one / several:.3f} times as fast, {one / several / parts:.1%} of linear", flush=True)


if __name__ == "__main__":
    main()
