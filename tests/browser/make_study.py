#!/usr/bin/env python3
"""Makes a folder as `flatenn study` leaves it, of any number of networks and trials, in short time.

    make_study.py FLATENN MODEL.onnx FOLDER [--seeds N] [--trials N] [--images N] [--data DATA]

Four recipes times N training seeds; each network is MODEL with some bits flipped. Without --data the
images are noise that MODEL takes for one class. Training curves, loss planes, sensitivity maps and
claims are made up; the campaign (2 kinds x 10 rates) is run.
"""

import argparse
import json
import math
import pathlib
import random
import struct
import subprocess

ARMS = ["sgd-standard", "sgd-sparse", "saq-standard", "saq-sparse"]
# Names that a page, a picture or a table may break at.
HOSTILE = ["<img src=x onerror=\"document.title='broken'\">", "\"quoted\" & 'single' </script>",
           "\u05e9\u05dc\u05d5\u05dd \u202e\u05e2\u05d5\u05dc\u05dd", "long" * 75]
RATES = "0.0001,0.0003,0.001,0.003,0.005,0.01,0.02,0.03,0.05,0.1"


def field(number, payload):
    """A length-delimited field of a protocol buffer."""
    length, varint = len(payload), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + payload


def add_metadata(path, entries):
    """Adds key-value pairs to an ONNX file: ModelProto.metadata_props is field 14."""
    with open(path, "ab") as file:
        for key, value in entries.items():
            file.write(field(14, field(1, key.encode()) + field(2, value.encode())))


def write_noise(folder, images, label):
    """IDX files of 28x28 noise, all of one label."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = random.Random(1).randbytes(images * 28 * 28)
    (folder / "test-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, images, 28, 28) + pixels)
    labels = bytes([label] * images)
    # Nine must be among the labels: the highest one tells the number of classes.
    (folder / "test-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, images) + labels[1:] + b"\x09")


def own_noise(flatenn, model, folder, images):
    """Noise with the label that `model` gives most of it."""
    def accuracy(label):
        write_noise(folder, images, label)
        said = subprocess.run([flatenn, "-q", "eval", model, "--data", folder, "--json"], check=True,
                              capture_output=True, text=True).stdout
        return json.loads(said)["accuracy"]
    write_noise(folder, images, max(range(10), key=accuracy))
    return folder


def write_run(folder, name, recipe, activation, seed):
    """Training curves as `flatenn train` leaves them."""
    folder.mkdir(parents=True)
    config = {"recipe": recipe, "seed": seed,
              "sparsity": {"penalty": "l1" if activation == "sparse" else "none"}}
    (folder / "run.json").write_text(json.dumps({"name": name, "config": config}))
    lines = [{"epoch": epoch, "train_loss": 2 * math.exp(-epoch / 5) + 0.01 * seed,
              "test_accuracy": 0.98 - 0.5 * math.exp(-epoch / 3) - 0.001 * seed,
              "sparsity": 0.5 + 0.01 * seed} for epoch in range(1, 31)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_result(folder, kind, model, metadata, result):
    content = {"flatenn_result": kind, "model": model["name"], "model_hash": model["hash"],
               "metadata": metadata, "result": result}
    (folder / f"{kind}.json").write_text(json.dumps(content))


def plane(seed, side=21):
    ticks = [2 * i / (side - 1) - 1 for i in range(side)]
    points = [(x, y) for y in ticks for x in ticks]
    return {"settings": {"points": side, "plane": True, "space": "after", "direction": "random",
                         "images": 100},
            "x_name": "first direction", "y_name": "second direction",
            "x": [x for x, _ in points], "y": [y for _, y in points],
            "loss": [0.05 * math.exp(3 * (x * x + y * y / seed)) for x, y in points]}


def sensitivity(seed):
    cells = [{"layer": layer, "bit": bit, "accuracy_loss": 0.01 * 2 ** bit / (place + seed)}
             for place, layer in enumerate(["conv1", "conv3", "fc5", "fc6", "fc7"])
             for bit in range(4)]
    return {"fault_kind": "bit_flip", "rate": 0.05, "trials": 20, "cells": cells}


def make_network(flatenn, model, folder, number, seed, hostile):
    arm = ARMS[number]
    recipe, activation = arm.split("-")
    name = HOSTILE[number] if hostile else f"{arm}-seed{seed}"
    path = folder / f"{arm}-seed{seed}.onnx"
    subprocess.run([flatenn, "-q", "faults", "apply", model, "--rate", str(1e-4 * (number + 1)),
                    "--seed", str(seed), "--out", path], check=True, stdout=subprocess.DEVNULL)
    metadata = {"name": name}
    if not hostile:
        metadata |= {"recipe": recipe, "activation": activation, "seed": str(seed)}
    add_metadata(path, metadata)
    said = subprocess.run([flatenn, "inspect", path, "--json"], check=True, capture_output=True, text=True)
    network = {"name": name, "hash": json.loads(said.stdout)["content_hash"]}
    run = folder / "runs" / path.stem
    write_run(run, name, recipe, activation, seed)
    write_result(run, "landscape", network, metadata, plane(number + 1))
    write_result(run, "sensitivity", network, metadata, sensitivity(number + 1))
    return path


def make_study(flatenn, model, folder, seeds=1, trials=10, images=50, data=None, hostile=False):
    """Fills `folder`; returns it. `hostile`: the networks have names that pages may break at."""
    flatenn, model, folder = (pathlib.Path(path).resolve() for path in (flatenn, model, folder))
    folder.mkdir(parents=True, exist_ok=True)
    networks = [make_network(flatenn, model, folder, number, seed, hostile)
                for number in range(len(ARMS)) for seed in range(1, seeds + 1)]
    data = data or own_noise(flatenn, model, folder / "noise", images)
    command = [flatenn, "-q", "campaign", "--db", folder / "results.db", "--data", data,
               "--first-images", str(images), "--kinds", "bit_flip,stuck_at_1", "--rates", RATES,
               "--trials", str(trials)]
    for network in networks:
        command += ["--model", network]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("flatenn")
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--data")
    parser.add_argument("--hostile", action="store_true")
    make_study(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
