#!/usr/bin/env python3
"""The same fault campaign in PyTorch and in flatenn, one after the other, and their ratio.

    python3 bench/fault_campaign.py build/release/flatenn [--model lenet5|resnet18] [--images N] [--threads N]
    python3 bench/fault_campaign.py build/release/flatenn --device cuda [--compile]

A trial flips each stored weight bit with probability RATE and runs every image. The PyTorch side is
what a careful user writes: integer codes flipped with whole-tensor bit operations, dequantized into
the layers in place, activations fake-quantized, inference mode, large batches, all threads; on a GPU
faults drawn and images kept there, channels last, TF32 or bfloat16, as it is or compiled. Images
are random, since only time is compared here; flatenn's bits are checked by its tests.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
from torch import nn

BITS = 4
RATE = 0.01


class QuantReLU(nn.Module):
    """ReLU whose result is rounded to unsigned codes of BITS bits and made real again."""

    def __init__(self, scale=0.1):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return torch.round(x / self.scale).clamp_(0, 2**BITS - 1).mul_(self.scale)


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), QuantReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), QuantReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), QuantReLU(), nn.Linear(120, 84), QuantReLU(), nn.Linear(84, 10))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride) if stride != 1 else nn.Identity()
        self.relu = QuantReLU()

    def forward(self, x):
        return self.relu(self.conv2(self.relu(self.conv1(x))) + self.skip(x))


def resnet18():
    layers = [nn.Conv2d(3, 64, 3, padding=1), QuantReLU()]
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(Block(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Campaign:
    """Golden codes and scales of all weight tensors, and trials on them."""

    def __init__(self, model):
        self.weights = [m.weight for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        self.scales = [w.abs().max() / 2 ** (BITS - 1) for w in self.weights]
        low, high = -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1
        self.codes = [torch.round(w / s).clamp(low, high).to(torch.int8)
                      for w, s in zip(self.weights, self.scales)]

    def inject(self):
        for weight, scale, code in zip(self.weights, self.scales, self.codes):
            flips = torch.zeros_like(code)
            for bit in range(BITS):
                hit = torch.rand(code.shape, device=code.device) < RATE
                flips |= hit.to(torch.int8) << bit
            word = (code ^ flips) & (2**BITS - 1)
            signed = torch.where(word >= 2 ** (BITS - 1), word - 2**BITS, word)
            weight.copy_(signed * scale)


class TorchTrials:
    """Trials in PyTorch, one at a time; the first two, which warm up and compile, have been run."""

    def __init__(self, options, bfloat16=False, compiled=False):
        torch.manual_seed(0)
        self.device = torch.device(options.device)
        small = options.model == "lenet5"
        model = (lenet5() if small else resnet18()).eval()
        shape = (1, 28, 28) if small else (3, 32, 32)
        layout = torch.channels_last if self.on_gpu() else torch.contiguous_format
        model = model.to(self.device, memory_format=layout)
        self.data = torch.randn(options.images, *shape, device=self.device).to(memory_format=layout)
        self.batch = 1000 if small or self.on_gpu() else 250
        self.bfloat16 = bfloat16
        with torch.inference_mode():
            self.campaign = Campaign(model)
        self.model = torch.compile(model) if compiled else model
        self.run()
        self.run()

    def on_gpu(self):
        return self.device.type == "cuda"

    def run(self):
        """One trial: its seconds on the clock and of processor time, all threads."""
        start, start_cpu = time.perf_counter(), time.process_time()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16,
                                                    enabled=self.bfloat16):
            self.campaign.inject()
            classes = [self.model(self.data[at:at + self.batch]).argmax(1)
                       for at in range(0, len(self.data), self.batch)]
            torch.cat(classes).cpu()
        return time.perf_counter() - start, time.process_time() - start_cpu


def flatenn_trial(options):
    """The median trial of one run of flatenn bench, likewise, and the engine's name."""
    engine = ["--engine", "cuda", "--trials", "256" if options.model == "lenet5" else "8"]
    share = 1 - (1 - RATE) ** BITS
    command = [options.flatenn, "bench", "--model", options.model, "--bits", str(BITS),
               "--images", str(options.images), "--threads", str(options.threads),
               "--repetitions", "3", "--share", str(share), "--json"]
    command += engine if options.device == "cuda" else []
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (report["trial_seconds"]["median"], report["trial_cpu_seconds"]["median"],
            report["engine"])


def compare(options, name, trials):
    theirs, ours = [], []
    for _ in range(options.rounds):  # in turn, so that other load meets both
        theirs.append(trials.run())
        ours.append(flatenn_trial(options))
    names = (f"PyTorch {torch.__version__}{name}", f"flatenn {ours[0][2]}")
    for column, clock in enumerate(("clock", "CPU time")):
        for side, rows in zip(names, (theirs, ours)):
            seconds = [row[column] for row in rows]
            print(f"  {clock:8} {side:32} {1e3 * statistics.median(seconds):10.2f} ms"
                  f"  ({1e3 * min(seconds):.2f} to {1e3 * max(seconds):.2f})")
        ratios = [their[column] / our[column] for their, our in zip(theirs, ours)]
        print(f"  {clock:8} ratio {statistics.median(ratios):.1f}"
              f"  ({min(ratios):.1f} to {max(ratios):.1f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flatenn", help="the binary of a release build")
    parser.add_argument("--model", choices=("lenet5", "resnet18"), default="lenet5")
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5, help="of both, in turn")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="also under torch.compile (a GPU)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    on = f"{options.threads} threads"
    variants = [("", {})]
    if options.device == "cuda":
        on = torch.cuda.get_device_name()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        variants = [(" TF32", {}), (" bfloat16", {"bfloat16": True})]
        if options.compile:
            variants.append((" bfloat16, compiled", {"bfloat16": True, "compiled": True}))
    print(f"{options.model}, {options.images} images, {on}, one trial,"
          f" median of {options.rounds} rounds in turn (fastest to slowest):")
    for name, how in variants:
        compare(options, name, TorchTrials(options, **how))


if __name__ == "__main__":
    main()
