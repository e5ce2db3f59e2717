#!/usr/bin/env python3
"""sharpness_check.py PROGRAM

Builds a small trained network again in PyTorch, takes the whole Hessian of its loss by autograd, and
compares loss, one-step rises, eigenvalues and trace with `flatenn sharpness`. Skipped without PyTorch.
"""

import sys
import tempfile

from common import Checks, Program, mnist_test, np, safetensors, skip

try:
    import torch
except ImportError:
    skip("PyTorch is not installed")

IMAGES = 60
torch.set_num_threads(1)  # small products
RHO = 0.05
LAYERS = ("fc1", "fc2", "fc3")
MEAN, DEVIATION = 0.1306604762738429, 0.30810780717887876  # of MNIST's training pixels


def rounded(x):
    """Rounding whose derivative is 1."""
    return x + (torch.round(x) - x).detach()


class Network:
    """The loss as a function of all dequantized weights in one vector."""

    def __init__(self, program, path):
        program("export", path, "--form", "safetensors", "-o", "net.safetensors")
        tensors, _ = safetensors(program.folder / "net.safetensors")
        inspected = program.json("inspect", path, "--json")
        pixels, labels = mnist_test(IMAGES)
        scale = float(inspected["input"]["scale"])
        x = (torch.tensor(pixels.astype(np.float64)) / 255 - MEAN) / DEVIATION
        self.x = torch.clamp(torch.round(x / scale), -128, 127) * scale
        self.labels = torch.tensor(labels.astype(np.int64))
        self.layers, weights = [], []
        for layer, shown in zip(LAYERS, inspected["layers"]):
            scales = torch.tensor(tensors[f"{layer}.weight_scale"].astype(np.float64)).reshape(-1, 1)
            real = torch.tensor(tensors[f"{layer}.weight"].astype(np.float64)) * scales
            bias = torch.tensor(tensors[f"{layer}.bias"].astype(np.float64)) * scales.flatten() * scale
            out = shown["writes"]
            self.layers.append((real.shape, bias, float(out.get("scale", 0)), 2 ** out.get("bits", 0) - 1))
            weights.append(real.flatten())
            scale = float(out.get("scale", 0))
        self.weights = torch.cat(weights)

    def loss(self, weights):
        x, at = self.x, 0
        for shape, bias, scale, top in self.layers:
            x = x @ weights[at : at + shape.numel()].reshape(shape).T + bias
            at += shape.numel()
            if scale:
                x = rounded(torch.clamp(x / scale, 0, top)) * scale
        return torch.nn.functional.cross_entropy(x, self.labels)


def check_rises(check, network, said):
    """Losses here are in double, flatenn's in float32, so that a code may round otherwise."""
    weights = network.weights.clone().requires_grad_()
    loss = network.loss(weights)
    (gradient,) = torch.autograd.grad(loss, weights)
    w = network.weights
    check("loss", loss.item(), said["loss"], 1e-5)
    check("norm of weights", w.norm(), said["weight_norm"], 1e-5)
    radius = said["radii"][0]
    for name, step in (("one_step", RHO * gradient / gradient.norm()),
                       ("adaptive", RHO * w**2 * gradient / (w.abs() * gradient).norm())):
        check.same(f"{name} moves the loss", True, radius[name] > 1e-3)
        check(name, (network.loss(w + step) - loss).item(), radius[name], 0.01)


def check_hessian(check, network, said):
    hessian = torch.autograd.functional.hessian(network.loss, network.weights)
    values = torch.linalg.eigvalsh(hessian)
    largest = values[values.abs().argsort(descending=True)][:3]
    check.same("eigenvalues are not all 0", True, bool(largest[0].abs() > 0.1))
    check("eigenvalues", largest.numpy(), said["eigenvalues"], 2e-3)
    trace, error = hessian.trace().item(), said["trace_standard_error"]
    check("trace, within four standard errors", trace, said["trace"], 2e-3, 4 * error)


def main():
    mnist_test(1)
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(sys.argv[1], folder)
        path = program.train("small", "model.hidden=[6, 8]")
        network = Network(program, path)
        said = program.json("sharpness", path, "--data", "mnist", "--images", IMAGES, "--rho", RHO, "-k", 3,
                            "--tolerance", 1e-3, "--products", 200, "--samples", 2, "--trials", 2, "--threads", 1, "--json")
    check_rises(check, network, said)
    check_hessian(check, network, said["hessian"])
    check.finish()


if __name__ == "__main__":
    main()
