"""Fault campaigns of one float network, side by side: flatenn from Python and as a command,
PyTorchFI, MRFI and faultforge, each as its documentation shows, on the same machine in one run.

    pip install pytorchfi MRFI          # in an environment that has flatenn[torch]
    pip install faultforge              # for Python 3.14 and newer
    python bench/python_peers.py --program build/release/flatenn --threads 2

The work: bit flips of 1 % of the stored weight bits (8 bits a weight), so many maps, so many
images. Every tool gets the same images in batches of 500 and the same float module; flatenn gets
the 8-bit network that it made of it. What a tool cannot do is printed with its figure. Time is per
map, the best of several rounds; setting up is left out for everyone but flatenn, whose campaigns
are timed whole.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import flatenn

RATE, BITS, BATCH = 0.01, 8, 500


class LeNet5(nn.Sequential):
    shape, data = (1, 28, 28), "mnist"

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.down = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.down(x))


class ResNet18(nn.Sequential):
    shape, data = (3, 32, 32), "cifar10"

    def __init__(self) -> None:
        widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
        blocks = [Block(a if i == 0 else b, b, s if i == 0 else 1)
                  for a, b, s in widths for i in range(2)]  # fmt: skip
        super().__init__(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), *blocks,
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10),
        )  # fmt: skip


def best(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@torch.no_grad()
def right(module: nn.Module, x: Tensor, y: Tensor) -> int:
    return sum(
        int((module(a).argmax(1) == b).sum()) for a, b in zip(x.split(BATCH), y.split(BATCH))
    )


def pytorchfi(module: nn.Module, x: Tensor, y: Tensor) -> tuple[Callable[[], object], str]:
    """declare_weight_fi with a list of places and a function, as its weight error models do."""
    from pytorchfi.core import fault_injection

    kinds = [nn.Conv2d, nn.Linear]
    injector = fault_injection(module, BATCH, input_shape=list(x.shape[1:]), layer_types=kinds)
    weights = [m.weight for m in module.modules() if isinstance(m, tuple(kinds))]
    scales = {tuple(w.shape): float(w.abs().max()) / 127 for w in weights}

    def flip(weight: Tensor, place: tuple[int, ...]) -> Tensor:
        scale = scales[tuple(weight.shape)]
        code = max(-128, min(127, round(float(weight[place]) / scale))) & 255
        code ^= 1 << random.randrange(BITS)
        return torch.tensor((code - 256 if code > 127 else code) * scale)

    def run() -> int:
        layer, k, c, h, w = [], [], [], [], []
        for number, weight in enumerate(weights):
            for _ in range(int(weight.numel() * BITS * RATE)):
                place = [random.randrange(extent) for extent in weight.shape]
                place += [None] * (4 - len(place))  # linear layers have two extents
                for column, value in zip((layer, k, c, h, w), (number, *place)):
                    column.append(value)
        faulty = injector.declare_weight_fi(
            function=flip, layer_num=layer, k=k, dim1=c, dim2=h, dim3=w
        )
        return right(faulty, x, y)

    return run, "places with repeats, from a generator of its own; bits by a function of the user"


def mrfi(module: nn.Module, x: Tensor, y: Tensor) -> tuple[Callable[[], object], str]:
    """The preset weight_fi with 8 bits and random bits."""
    from mrfi import MRFI, EasyConfig

    config = EasyConfig.load_preset("weight_fi")
    config.set_quantization(
        0, {"method": "SymmericQuantization", "dynamic_range": "auto", "bit_width": BITS}
    )
    config.set_selector(
        0, {"method": "RandomPositionByRate", "poisson": True, "rate": RATE * BITS}
    )
    config.set_error_mode(0, {"method": "IntRandomBitFlip", "bit_width": BITS})
    config.set_module_used(0, module_type=["Conv2d", "Linear"])
    faulty = MRFI(module, config).eval()
    return lambda: right(faulty, x, y), (
        "faults are drawn anew for every batch, so that a map never sees all images; one flip a "
        "word; activations stay float"
    )


def faultforge(module: nn.Module, x: Tensor, y: Tensor) -> tuple[Callable[[], object], str]:
    """EncodedModule with the encoder that adds no code, faults at places that its Picker picks."""
    from faultforge import BitFlip, Picker
    from faultforge.encoding import EncodedModule, IdentityEncoder

    memory = EncodedModule(module, IdentityEncoder())
    bits = memory.bit_count()

    def run() -> int:
        faulty = memory.clone()
        places = itertools.islice(Picker(bits), int(bits * RATE))
        faulty.apply_faults([(BitFlip(), place) for place in places])
        return right(faulty.eval(), x, y)

    return run, "32 bits of float words, of biases and batch norm too: it stores no 8-bit codes"


def network_of(module: nn.Module, x: Tensor, file: str) -> flatenn.Network:
    return flatenn.from_torch(
        module, x[:64], calibration=x[:64], agreement=0.0, save=file,
        metadata={"dataset": getattr(module, "data", "")},
    )  # fmt: skip


def command(program: str, file: str, data: str, images: int, maps: int, threads: int) -> float:
    """Seconds of `flatenn campaign`, whole."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [program, "--quiet", "campaign", "--model", file, "--data", data, "--first-images",
             str(images), "--kinds", "bit_flip", "--rates", str(RATE), "--trials", str(maps),
             "--threads", str(threads), "--db", f"{folder}/r.db"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - start


def flatenn_times(
    module: nn.Module, x: Tensor, maps: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Seconds a map of campaigns from Python and by the command, in turn, on a data set that both
    know by name."""
    images = len(x)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "model.onnx")
        network_of(module, x, file)
        data = flatenn.load_images(module.data, first=images)
        net = flatenn.load(file)
        python, program = [], []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            flatenn.campaign(
                net, data, rates=RATE, trials=maps, threads=arguments.threads,
                store=os.path.join(folder, f"{len(python)}.db"),
            )  # fmt: skip
            python.append(time.perf_counter() - start)
            if arguments.program:
                program.append(
                    command(arguments.program, file, module.data, images, maps, arguments.threads)
                )
    times = {"flatenn.campaign": min(python) / maps}
    if program:
        times["flatenn campaign (command)"] = min(program) / maps
    return times


def peers(
    module: nn.Module, x: Tensor, y: Tensor, rounds: int
) -> tuple[dict[str, float], dict[str, str]]:
    times, notes = {}, {}
    for name, make in (("PyTorchFI", pytorchfi), ("MRFI", mrfi), ("faultforge", faultforge)):
        try:
            work, notes[name] = make(copy.deepcopy(module), x, y)  # MRFI changes its module
            times[name] = best(rounds, work)
        except ImportError as error:
            notes[name] = f"not here ({error})"
        except Exception as error:  # what a tool cannot do is told, not hidden
            notes[name] = f"cannot: {type(error).__name__}: {str(error).splitlines()[0]}"
    return times, notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", help="the command flatenn, to compare with")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--networks", default="lenet5,resnet18")
    parser.add_argument("--lenet-maps", type=int, default=200)
    parser.add_argument("--resnet-maps", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result = {}
    for name in arguments.networks.split(","):
        torch.manual_seed(0)
        module = (LeNet5 if name == "lenet5" else ResNet18)().eval()
        maps = arguments.lenet_maps if name == "lenet5" else arguments.resnet_maps
        data = flatenn.load_images(module.data, first=arguments.images)
        x = torch.from_numpy(np.array(data.images)).float() / 255
        y = torch.from_numpy(np.array(data.labels).astype(np.int64))
        times = flatenn_times(module, x, maps, arguments)
        others, notes = peers(module, x, y, max(1, arguments.rounds - 1))
        result[name] = {"seconds_a_map": {**times, **others}, "notes": notes}
        if not arguments.json:
            show(name, len(x), {**times, **others}, notes)
    if arguments.json:
        json.dump(result, sys.stdout, indent=2)


def show(name: str, images: int, times: dict[str, float], notes: dict[str, str]) -> None:
    own = times["flatenn.campaign"]
    print(f"{name}, {images} images a map, {100 * RATE:g} % bit flips")
    for tool in [*times, *(tool for tool in notes if tool not in times)]:
        if tool in times:
            ratio = f"{times[tool] / own:8.2f} x"
            print(f"  {tool:28} {1000 * times[tool]:10.2f} ms/map {ratio}  {notes.get(tool, '')}")
        else:
            print(f"  {tool:28} {notes[tool]}")


if __name__ == "__main__":
    main()
