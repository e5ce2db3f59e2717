#!/usr/bin/env python3
"""How much faster trainings are on several GPUs than on the first of them.

    python3 bench/multi_gpu_training.py build/cuda/flatenn [--devices 0-1] [--batch 1024]

ResNet-18, W4A4, on 49,000 random images of CIFAR-10's size an epoch, with one pass (sgd) and two (saq), in turns: on
one GPU, on several with the same batch, and with as many times the batch. Prints images a second of
each and its ratio to one GPU; the first epoch, in which steps are recorded, is not counted.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

from multi_gpu import write_images

IMAGES = 50_000
CONFIG = """
[data]
name = "{data}"
hold_out = 1000
[augment]
crop = 4
flip = true
[model]
architecture = "resnet18"
[optimizer]
kind = "{kind}"
learning_rate = 0.01
[train]
epochs = 4
batch_size = {batch}
"""


def images_a_second(flatenn, folder, kind, batch, device):
    config = folder / "config.toml"
    config.write_text(CONFIG.format(data=folder / "data", kind=kind, batch=batch))
    out = folder / f"{kind}-{batch}-{device.replace(':', '-')}-{len(list(folder.iterdir()))}"
    subprocess.run([flatenn, "-q", "train", config, "--out", out, "--device", device], check=True,
                   stdout=subprocess.DEVNULL)
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(epoch["images_per_second"] for epoch in epochs[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flatenn")
    parser.add_argument("--devices", default="0-1", help="as after cuda: (default: 0-1)")
    parser.add_argument("--gpus", type=int, default=2, help="how many these are (default: 2)")
    parser.add_argument("--batch", type=int, default=512, help="on one GPU (default: 512)")
    parser.add_argument("--repetitions", type=int, default=2)
    options = parser.parse_args()
    several = f"cuda:{options.devices}"
    runs = [("cuda:0", options.batch), (several, options.batch), (several, options.batch * options.gpus)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "data").mkdir()
        write_images(folder / "data", (3, 32, 32), IMAGES)
        for kind in ("sgd", "saq"):
            speeds = {run: [] for run in runs}
            for _ in range(options.repetitions):
                for run in runs:
                    speeds[run].append(images_a_second(options.flatenn, folder, kind, run[1], run[0]))
            one = statistics.median(speeds[runs[0]])
            for (device, batch), values in speeds.items():
                speed = statistics.median(values)
                print(f"{kind}, batch {batch}, {device}: {speed:,.0f} images/s, {speed / one:.2f} times", flush=True)


if __name__ == "__main__":
    main()
