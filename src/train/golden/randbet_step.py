"""RandBET steps (arXiv:2104.08323) of a small quantized MLP in PyTorch, to compare flatenn with.

Quantizer, faulty words and the step are written here from the papers on torch's own operations; the
flipped bits are flatenn's maps of (seed, step), by its Python package. Weights and images are
closed-form, and no pooling makes ties. Writes golden/randbet_step.inc:
    PYTHONPATH=build/release/python python3 randbet_step.py > randbet_step.inc
"""

import math

import torch
import torch.nn.functional as F

BATCH, STEPS, RATE, SEED = 8, 3, 0.02, 2104
LAYERS = [  # name, weight shape, weight bits, bits of the output (0: logits)
    ("fc1", (32, 784), 8, 4),
    ("fc2", (16, 32), 4, 8),
    ("fc3", (10, 16), 8, 0),
]
INPUT_SCALE = 2.0 / 127


def pattern(shape, frequency, phase):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(frequency * i * i + phase * i + phase).reshape(shape)


def through(value, gradient_of):
    return gradient_of + (value - gradient_of).detach()


def step_of(t, elements, high):
    scaled = t * (1 / math.sqrt(elements * high))
    return torch.exp(t.detach() + scaled - scaled.detach())


def codes_of(w, s, low, high):
    u = torch.clamp(w / s, low, high)
    return through(torch.round(u), u)


def flipped(codes, bits, faults):
    """Codes whose two's complement words have the bits of `faults`, (element, bit), flipped."""
    words = [int(k) % 2**bits for k in codes.flatten()]
    for element, bit in faults:
        words[element] ^= 1 << bit
    signed = [w - 2**bits if w >= 2 ** (bits - 1) else w for w in words]
    return torch.tensor(signed, dtype=torch.float32).reshape(codes.shape)


class Mlp:
    def __init__(self):
        self.params = {}
        for k, (name, shape, bits, out_bits) in enumerate(LAYERS):
            w = (pattern(shape, 0.37 + 0.01 * k, 0.11) * math.sqrt(3 / shape[1])).float()
            self.params[name + ".weight"] = w
            self.params[name + ".bias"] = torch.full((shape[0],), 0.01 * (k + 1))
            high = 2 ** (bits - 1) - 1
            self.params[name + ".t"] = torch.log(2 * w.abs().mean() / math.sqrt(high)).reshape(1)
            if out_bits:
                self.params[name + ".out_t"] = torch.full((1,), math.log(0.1 if out_bits < 8 else 0.01))
        for p in self.params.values():
            p.requires_grad_()

    def forward(self, x, faults=None):
        x = torch.clamp(torch.round(x / INPUT_SCALE), -128, 127) * INPUT_SCALE
        x = x.flatten(1)
        for name, shape, bits, out_bits in LAYERS:
            w, high = self.params[name + ".weight"], 2 ** (bits - 1) - 1
            s = step_of(self.params[name + ".t"], w.numel(), high)
            k = codes_of(w, s, -high - 1, high)
            if faults:
                k = k + (flipped(k, bits, faults[name]) - k).detach()
            x = F.linear(x, k * s, self.params[name + ".bias"])
            if out_bits:
                top = 2**out_bits - 1
                s = step_of(self.params[name + ".out_t"], x[0].numel(), top)
                x = codes_of(x, s, 0, top) * s
        return x


def maps():
    """By step, the flips of each layer, (element, bit), that flatenn draws for these words."""
    import flatenn
    import flatenn.torch as ft

    modules = []
    for _, (out_features, in_features), bits, _ in LAYERS:
        modules += [ft.QuantLinear(in_features, out_features, bits=bits), ft.QuantReLU(8)]
    model = torch.nn.Sequential(ft.QuantInput(INPUT_SCALE), torch.nn.Flatten(), *modules[:-1])
    x = torch.ones(2, 1, 28, 28)
    model(x)
    net = flatenn.from_torch(model, x)
    names = [row["name"] for row in net.layers if row["weights"]]
    for step in range(STEPS):
        drawn = flatenn.FaultMap.draw(net, rate=RATE, seed=SEED, trial=step)
        rows = list(zip(drawn.layer, drawn.element, drawn.bit))
        yield {
            layer[0]: [(int(e), int(b)) for at, e, b in rows if at == number]
            for number, layer in enumerate(LAYERS)
        }
        assert len(names) == len(LAYERS)


def run(name, share):
    net = Mlp()
    groups = {"weight": [], "bias": [], "t": []}
    for key, p in net.params.items():
        groups["t" if key.endswith("t") and not key.endswith("weight") else key.split(".")[1]].append(p)
    optimizer = torch.optim.SGD(
        [{"params": groups["weight"], "weight_decay": 0.01}, {"params": groups["bias"]},
         {"params": groups["t"], "lr": 0.3}], lr=0.1, momentum=0.9)
    clean, faulty = [], []
    for step, faults in enumerate(maps()):
        images = (2 * pattern((BATCH, 1, 28, 28), 0.013 + 0.001 * step, 0.3)).float()
        labels = (torch.arange(BATCH) * 3 + step) % 10
        losses = [F.cross_entropy(net.forward(images, f), labels) for f in (None, faults)]
        optimizer.zero_grad()
        ((1 - share) * losses[0] + share * losses[1]).backward()
        optimizer.step()
        clean.append(losses[0].item())
        faulty.append(losses[1].item())
    rms = lambda p: p.detach().double().pow(2).mean().sqrt().item()
    number = lambda values: ", ".join("%.7g" % v for v in values)
    print('{"%s", %g, {%s}, {%s}, {%s}, {%s}},' % (
        name, share, number(clean), number(faulty),
        number([rms(p) for p in groups["weight"] + groups["bias"]]),
        number([net.params[k].item() for end in (".t", ".out_t") for k in net.params if k.endswith(end)])))


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("// Written by golden/randbet_step.py: case, share of the faulty gradient, loss before each step")
    print("// without and with faults, root mean squares of weights then biases, and log scales after the last.")
    run("randbet", 0.5)
    run("randbet_all", 1.0)
