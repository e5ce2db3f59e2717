#!/usr/bin/env python3
"""Golden values of loss_surface_test.cpp and sharpness_test.cpp, computed with PyTorch alone.

The 6-5-3 network of hand_network.h: loss, gradient norm, and the dense Hessian's trace and largest
eigenvalues as a function of moves of the dequantized weights, rounding straight through.
Run: python3 hand_network_reference.py
"""
import torch


def codes(count):
    return torch.tensor([float((7 * i + 3) % 15 - 7) for i in range(count)])


IMAGES = torch.tensor([float((37 * i) % 201 - 100) for i in range(48)]).view(8, 6)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
W1, S1, B1 = codes(30).view(5, 6), 0.1, torch.tensor([20.0 * c - 30 for c in range(5)])
W2, S2, B2 = codes(15).view(3, 5), 0.2, torch.tensor([20.0 * c - 30 for c in range(3)])
M1, M2 = 0.02 * 0.1 / 0.25, 0.25 * 0.2


def loss(move):
    v1 = W1 + move[:30].view(5, 6) / S1
    v2 = W2 + move[30:].view(3, 5) / S2
    hidden = torch.relu((IMAGES @ v1.t() + B1) * M1).clamp(0, 15)
    hidden = hidden + (hidden.round() - hidden).detach()
    logits = (hidden @ v2.t() + B2) * M2
    return torch.nn.functional.cross_entropy(logits, LABELS)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    IMAGES, W1, W2, B1, B2 = (t.double() for t in (IMAGES, W1, W2, B1, B2))
    zero = torch.zeros(45, requires_grad=True)
    gradient, = torch.autograd.grad(loss(zero), zero)
    hessian = torch.autograd.functional.hessian(loss, torch.zeros(45))
    values = torch.linalg.eigvalsh(hessian)
    order = values.abs().argsort(descending=True)
    print("loss", loss(zero).item())
    print("gradient norm", gradient.norm().item())
    print("gradient[0], [31]", gradient[0].item(), gradient[31].item())
    print("trace", hessian.trace().item())
    print("eigenvalues", [values[i].item() for i in order[:4]])
    step = 0.1 * gradient / gradient.norm()
    print("one-step rise at rho 0.1", (loss(step) - loss(zero)).item())
