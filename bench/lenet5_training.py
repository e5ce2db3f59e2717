#!/usr/bin/env python3
"""Training speed of LeNet-5 at 4 bits: `flatenn train` beside the same network in PyTorch.

Both sides train on Fashion-MNIST-shaped images at batch 128 with SGD and momentum, everything
quantized by LSQ with learned scales, on the same cores. The PyTorch side keeps the normalized set in memory
as one float tensor and quantizes through an autograd.Function, so that each quantizer saves one
tensor; images/s leave the start and the evaluation out on both sides. Rounds alternate, so that
both sides meet the same noise; the ratio is that of the medians.

    bench/lenet5_training.py --flatenn build/release/flatenn [--data-root DIR] [--threads 2]

Needs a Python with the torch that flatenn was built with (Debian: /usr/bin/python3, python3-torch).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn

BATCH = 128
BITS = 4


class LsqFunction(torch.autograd.Function):
    """Learned step size quantization (arXiv:1902.08153): value and both gradients in one node."""

    @staticmethod
    def forward(ctx, x, scale, low, high):
        scaled = x / scale
        clamped = scaled.clamp(low, high)
        rounded = clamped.round()
        ctx.save_for_backward(scaled, rounded)
        ctx.range = (low, high)
        return rounded * scale

    @staticmethod
    def backward(ctx, grad):
        scaled, rounded = ctx.saved_tensors
        low, high = ctx.range
        inside = (scaled >= low) & (scaled <= high)
        grad_x = grad * inside
        per_element = torch.where(inside, rounded - scaled, rounded)
        gradient_scale = 1.0 / (scaled.numel() * high) ** 0.5
        grad_scale = (grad * per_element).sum() * gradient_scale
        return grad_x, grad_scale.reshape(1), None, None


class Lsq(nn.Module):
    def __init__(self, signed):
        super().__init__()
        self.low, self.high = (-(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1) if signed else (0, 2**BITS - 1)
        self.scale = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        if self.training and self.scale.item() == 0:
            with torch.no_grad():
                self.scale.fill_(2 * x.abs().mean().item() / self.high**0.5)
        return LsqFunction.apply(x, self.scale, self.low, self.high)


class QuantConv2d(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.quantizer = Lsq(signed=True)

    def forward(self, x):
        return F.conv2d(x, self.quantizer(self.weight), self.bias, self.stride, self.padding)


class QuantLinear(nn.Linear):
    def __init__(self, *args):
        super().__init__(*args)
        self.quantizer = Lsq(signed=True)

    def forward(self, x):
        return F.linear(x, self.quantizer(self.weight), self.bias)


def lenet5():
    return nn.Sequential(
        Lsq(signed=True),
        QuantConv2d(1, 6, 5, padding=2), nn.ReLU(), Lsq(signed=False), nn.MaxPool2d(2),
        QuantConv2d(6, 16, 5), nn.ReLU(), Lsq(signed=False), nn.MaxPool2d(2), nn.Flatten(),
        QuantLinear(400, 120), nn.ReLU(), Lsq(signed=False),
        QuantLinear(120, 84), nn.ReLU(), Lsq(signed=False),
        QuantLinear(84, 10))


def python_round(model, optimizer, images, labels, steps):
    """Images/s of `steps` training steps."""
    order = torch.randperm(len(images))
    start = time.perf_counter()
    for step in range(steps):
        index = order[step * BATCH:(step + 1) * BATCH]
        loss = F.cross_entropy(model(images[index]), labels[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return steps * BATCH / (time.perf_counter() - start)


def flatenn_round(arguments, steps, optimizer):
    """Images/s of `flatenn train` over as many steps, as its metrics tell."""
    with tempfile.TemporaryDirectory() as folder:
        command = [arguments.flatenn, "-q", "train", arguments.config, "--out", folder,
                   "--set", "train.epochs=1", "--set", f"train.batch_size={BATCH}",
                   "--set", f"data.train_images={steps * BATCH}", "--set", "data.test_images=1000",
                   "--set", f"optimizer.kind={optimizer}",
                   "--set", f"train.threads={arguments.threads}"]
        if arguments.data_root:
            command += ["--data-root", arguments.data_root]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        line = pathlib.Path(folder, "metrics.jsonl").read_text().splitlines()[-1]
        return json.loads(line)["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flatenn", default="build/release/flatenn")
    parser.add_argument("--config", default="configs/lenet5-fashion-mnist-sgd-standard.toml")
    parser.add_argument("--data-root", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    images = torch.randn(arguments.steps * BATCH, 1, 28, 28)
    labels = torch.randint(10, (len(images),))
    model = lenet5()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    python_round(model, optimizer, images, labels, 20)  # starts scales, threads and caches

    results = {"PyTorch": [], "flatenn sgd": [], "flatenn saq": []}
    for _ in range(arguments.rounds):
        results["PyTorch"].append(python_round(model, optimizer, images, labels, arguments.steps))
        for optimizer_name in ("sgd", "saq"):
            results[f"flatenn {optimizer_name}"].append(
                flatenn_round(arguments, arguments.steps, optimizer_name))
    median = {name: statistics.median(values) for name, values in results.items()}
    print(f"torch {torch.__version__}, {arguments.threads} threads, batch {BATCH}, "
          f"{arguments.steps} steps a round, {arguments.rounds} rounds")
    for name, values in results.items():
        print(f"{name:12} {median[name]:9.0f} images/s (min {min(values):.0f}, max {max(values):.0f})")
    print(f"flatenn / PyTorch: {median['flatenn sgd'] / median['PyTorch']:.2f}")
    print(f"SAQ step / conventional step: {median['flatenn sgd'] / median['flatenn saq']:.2f}")


if __name__ == "__main__":
    main()
