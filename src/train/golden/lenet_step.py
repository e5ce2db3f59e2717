"""Training steps of a 4-bit LeNet-5 in PyTorch, written from the papers, to compare flatenn with.

The network, its quantizers (LSQ, step in the log domain) and the methods (SGD, AdamW, SAM, SAQ,
ASAQ) are built here from torch's own layers and optimizers alone. Weights and images are
closed-form, so both programs start from the same numbers. Writes golden/lenet_step.inc:
    python3 lenet_step.py > lenet_step.inc
"""

import math

import torch
import torch.nn.functional as F

BATCH, STEPS = 8, 3
LAYERS = [  # name, weight shape, weight bits, bits of the output (0: logits)
    ("conv1", (6, 1, 5, 5), 8, 4),
    ("conv2", (16, 6, 5, 5), 4, 4),
    ("fc1", (120, 400), 4, 4),
    ("fc2", (84, 120), 4, 8),
    ("fc3", (10, 84), 8, 0),
]
INPUT_SCALE = 2.0 / 127


def pattern(shape, frequency, phase):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(frequency * i * i + phase * i + phase).reshape(shape)


class RoundThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, g):
        return g


def scale_gradient(t, factor):
    return t.detach() + factor * (t - t.detach())


def lsq(x, t, low, high, elements):
    s = torch.exp(scale_gradient(t, 1 / math.sqrt(elements * high)))
    return RoundThrough.apply(torch.clamp(x / s, low, high)) * s


def initial_scale(x, high):
    return torch.log(2 * x.abs().mean() / math.sqrt(high)).reshape(1)


class LeNet:
    def __init__(self):
        self.params, self.outputs, self.eps = {}, {}, {}
        for k, (name, shape, bits, out_bits) in enumerate(LAYERS):
            fan_in = math.prod(shape[1:])
            w = (pattern(shape, 0.37 + 0.01 * k, 0.11) * math.sqrt(3 / fan_in)).float()
            self.params[name + ".weight"] = w
            self.params[name + ".bias"] = torch.full((shape[0],), 0.01 * (k + 1))
            self.params[name + ".t"] = initial_scale(w, 2 ** (bits - 1) - 1)
            if out_bits:
                self.params[name + ".out_t"] = torch.full((1,), math.log(0.1 if out_bits < 8 else 0.01))
        for p in self.params.values():
            p.requires_grad_()

    def forward(self, x):
        x = torch.clamp(torch.round(x / INPUT_SCALE), -128, 127) * INPUT_SCALE
        for name, shape, bits, out_bits in LAYERS:
            w = self.params[name + ".weight"]
            high = 2 ** (bits - 1) - 1
            q = lsq(w, self.params[name + ".t"], -high - 1, high, w.numel())
            if q.requires_grad:
                q.retain_grad()
            self.outputs[name] = q
            q = q + self.eps[name] if name in self.eps else q
            b = self.params[name + ".bias"]
            if len(shape) == 4:
                x = F.max_pool2d(F.conv2d(x, q, b, padding=2 if name == "conv1" else 0), 2)
            else:
                x = F.linear(x.flatten(1), q, b)
            if out_bits:
                high = 2**out_bits - 1
                x = lsq(x, self.params[name + ".out_t"], 0, high, x[0].numel())
        return x


def perturb(net, method, rho, eta):
    """Moves the network to the second pass's point; returns what undoes it."""
    weights = [name for name, *_ in LAYERS]
    if method == "sam":
        points = [net.params[n + ".weight"] for n in weights]
        grads = [p.grad for p in points]
    else:
        points = [net.outputs[n] for n in weights]
        grads = [p.grad for p in points]
    radii = [p.detach().abs() + eta if method == "asaq" else torch.ones_like(p) for p in points]
    norm = torch.sqrt(sum((r * g).pow(2).sum() for r, g in zip(radii, grads))) + 1e-12
    eps = [rho * r * r * g / norm for r, g in zip(radii, grads)]
    if method == "sam":
        saved = [p.detach().clone() for p in points]
        with torch.no_grad():
            for p, e in zip(points, eps):
                p.add_(e)

        def undo():
            with torch.no_grad():
                for p, old in zip(points, saved):
                    p.copy_(old)
    else:
        net.eps = dict(zip(weights, eps))

        def undo():
            net.eps = {}
    return undo


def run(name, method, optimizer_of, rho=0.0, eta=0.01):
    net = LeNet()
    weights = [p for n, p in net.params.items() if n.endswith("weight")]
    biases = [p for n, p in net.params.items() if n.endswith("bias")]
    scales = [p for n, p in net.params.items() if n.endswith("t") and not n.endswith("weight")]
    optimizer = optimizer_of(weights, biases, scales)
    losses = []
    for step in range(STEPS):
        images = (2 * pattern((BATCH, 1, 28, 28), 0.013 + 0.001 * step, 0.3)).float()
        labels = (torch.arange(BATCH) * 3 + step) % 10
        optimizer.zero_grad()
        loss = F.cross_entropy(net.forward(images), labels)
        loss.backward()
        losses.append(loss.item())
        if method != "sgd":
            undo = perturb(net, method, rho, eta)
            optimizer.zero_grad()
            F.cross_entropy(net.forward(images), labels).backward()
            undo()
        optimizer.step()
    rms = lambda p: p.detach().double().pow(2).mean().sqrt().item()
    print('{"%s", {%s}, {%s}, {%s}},' % (
        name, ", ".join("%.7g" % x for x in losses),
        ", ".join("%.7g" % rms(p) for p in weights + biases),
        ", ".join("%.7g" % p.item() for p in scales)))


def sgd(nesterov):
    return lambda w, b, s: torch.optim.SGD(
        [{"params": w, "weight_decay": 0.01}, {"params": b}, {"params": s, "lr": 0.02}],
        lr=0.1, momentum=0.9, nesterov=nesterov)


def adamw(w, b, s):
    return torch.optim.AdamW(
        [{"params": w, "weight_decay": 0.1}, {"params": b, "weight_decay": 0.0},
         {"params": s, "weight_decay": 0.0, "lr": 0.0004}], lr=0.002)


def adam(w, b, s):
    return torch.optim.Adam(
        [{"params": w, "weight_decay": 0.1}, {"params": b}, {"params": s, "lr": 0.0004}], lr=0.002)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("// Written by golden/lenet_step.py: case, loss before each step, root mean squares of")
    print("// weights then biases, and log scales (per layer: weight, then output) after the last.")
    run("sgd", "sgd", sgd(False))
    run("nesterov", "sgd", sgd(True))
    run("adam", "sgd", adam)
    run("adamw", "sgd", adamw)
    run("sam", "sam", sgd(False), rho=0.1)
    run("saq", "saq", sgd(False), rho=0.1)
    run("asaq", "asaq", sgd(False), rho=0.5)
