#!/usr/bin/env python3
"""Images a second of quantization-aware ResNet-18 (CIFAR form, W4A4) training in PyTorch on a GPU.

The baseline that docs/benchmarks.md sets beside `flatenn train --device cuda`: learned step sizes
(LSQ) as a custom autograd function, bf16 autocast, channels-last, the data set and augmentation on
the GPU, fused SGD; conventional and SAQ steps, eager and under torch.compile.

    python3 bench/resnet18_training.py [--batch 128 512] [--steps 30] [--compile]
"""
import argparse
import time

import torch
from torch import nn
from torch.nn import functional as F


class Lsq(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, low, high, grad_scale):
        u = x / scale
        v = u.clamp(low, high).round()
        ctx.save_for_backward(u, v)
        ctx.range = (low, high, grad_scale)
        return v * scale

    @staticmethod
    def backward(ctx, grad):
        u, v = ctx.saved_tensors
        low, high, grad_scale = ctx.range
        inside = (u >= low) & (u <= high)
        grad_scale_sum = (grad * torch.where(inside, v - u, v)).sum() * grad_scale
        return grad * inside, grad_scale_sum.reshape(1), None, None, None


class Activation(nn.Module):
    def __init__(self, signed=False):
        super().__init__()
        self.low, self.high = (-128, 127) if signed else (0, 15)
        self.scale = nn.Parameter(torch.full((1,), 0.05 if signed else 0.2))

    def forward(self, x):
        grad_scale = (x[0].numel() * self.high) ** -0.5
        return Lsq.apply(x.float(), self.scale, self.low, self.high, grad_scale)


class Conv(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, bias=False, **kwargs)
        self.scale = nn.Parameter(2 * self.weight.detach().abs().mean().reshape(1) / 7**0.5)
        self.eps = None

    def quantized(self):
        q = Lsq.apply(self.weight, self.scale, -8, 7, (self.weight.numel() * 7) ** -0.5)
        return q if self.eps is None else q + self.eps

    def forward(self, x):
        return F.conv2d(x, self.quantized(), None, self.stride, self.padding)


class Block(nn.Module):
    def __init__(self, inner, width, stride):
        super().__init__()
        self.conv1, self.bn1 = Conv(inner, width, 3, stride=stride, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = Conv(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.act1, self.act2 = Activation(), Activation()
        self.down = None
        if stride != 1:
            self.down = nn.Sequential(
                Conv(inner, width, 1, stride=stride), nn.BatchNorm2d(width), Activation(signed=True))

    def forward(self, x):
        y = self.act1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.act2(y + (x if self.down is None else self.down(x)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.act = Conv(3, 64, 3, padding=1), nn.BatchNorm2d(64), Activation()
        inner, blocks = 64, []
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [Block(inner, width, stride), Block(width, width, 1)]
            inner = width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(512, 10)

    def forward(self, x):
        y = self.blocks(self.act(self.bn(self.conv(x))))
        return self.fc(y.mean((2, 3)))


class Data:
    """Random 8-bit images; speed does not depend on what they show."""

    def __init__(self, device):
        self.images = torch.randint(0, 256, (50000, 3, 40, 40), dtype=torch.uint8, device=device)
        self.labels = torch.randint(0, 10, (50000,), device=device)

    def batch(self, size):
        device = self.images.device
        index = torch.randint(0, 50000, (size,), device=device)
        rows = torch.randint(0, 9, (size, 1), device=device) + torch.arange(32, device=device)
        columns = torch.randint(0, 9, (size, 1), device=device) + torch.arange(32, device=device)
        flip = torch.rand(size, 1, device=device) < 0.5
        columns = torch.where(flip, columns.flip(1), columns)
        x = self.images[index[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        x = x.permute(0, 3, 1, 2).float().div_(255).sub_(0.47).div_(0.25)
        return x.contiguous(memory_format=torch.channels_last), self.labels[index]


def saq_step(model, convs, loss_of, rho):
    """Ascends at the quantizers' outputs, then takes the gradient there."""
    for conv in convs:
        conv.eps = torch.zeros_like(conv.weight, requires_grad=True)
    loss_of().backward()
    grads = [conv.eps.grad for conv in convs]
    norm = torch.stack(torch._foreach_norm(grads)).norm() + 1e-12
    for conv, grad in zip(convs, grads):
        conv.eps = grad * (rho / norm)
    model.zero_grad(set_to_none=False)
    loss = loss_of()
    loss.backward()
    for conv in convs:
        conv.eps = None
    return loss


def measure(batch, saq, compiled, steps):
    torch.manual_seed(1)
    device = torch.device("cuda")
    model = ResNet18().to(device, memory_format=torch.channels_last)
    convs = [m for m in model.modules() if isinstance(m, Conv)]
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9, weight_decay=5e-4, fused=True)
    data = Data(device)

    def step():
        x, labels = data.batch(batch)

        def loss_of():
            with torch.autocast("cuda", torch.bfloat16):
                logits = forward(x)
            return F.cross_entropy(logits.float(), labels)

        optimizer.zero_grad(set_to_none=False)
        if saq:
            saq_step(model, convs, loss_of, 0.1)
        else:
            loss_of().backward()
        optimizer.step()

    for _ in range(8):
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return steps * batch / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--compile", action="store_true", help="also under torch.compile (minutes)")
    args = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}")
    for batch in args.batch:
        for saq in (False, True):
            for compiled in (False, True) if args.compile else (False,):
                rate = measure(batch, saq, compiled, args.steps)
                kind = ("SAQ" if saq else "conventional") + (", torch.compile" if compiled else "")
                print(f"batch {batch:4d}  {kind:30s} {rate:9.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
