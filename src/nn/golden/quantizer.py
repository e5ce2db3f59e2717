"""LSQ's equations written a second time, in exact arithmetic, and the constants of the quantizers.

Follows "Learned step size quantization" (arXiv:1902.08153): eq. 1 and 2 for the values, eq. 3 for
the step's gradient, section 2.2 for its scale and the initial step. Uses nothing but Python:
    python3 quantizer.py values > quantizer.inc
    python3 quantizer.py steps        # the Gaussian steps in weight_quantizer.cpp
"""

import math
import sys
from fractions import Fraction

XS = [Fraction(n, 64) for n in (-200, -131, -80, -33, -16, -5, 0, 3, 16, 31, 47, 90, 127, 210)]
GRADS = [Fraction(n, 8) for n in (3, -5, 7, 1, -2, 4, 6, -3, 5, 8, -7, 2, 9, -4)]
# name, least v, greatest v, distance of levels, scale
GRIDS = [
    ("signed 4 bits", -8, 7, 1, Fraction(1, 4)),
    ("signed 2 bits", -2, 1, 1, Fraction(3, 8)),
    ("unsigned 3 bits", 0, 7, 1, Fraction(5, 16)),
    ("odd 3 bits", -7, 7, 2, Fraction(1, 4)),
]


def half_even(x: Fraction) -> int:
    return round(x)  # Python rounds Fractions half to even


def level(u: Fraction, low: int, high: int, step: int) -> int:
    clamped = min(max(u, Fraction(low)), Fraction(high))
    offset = low % step if step > 1 else 0
    return step * half_even((clamped - offset) / step) + offset


def values() -> None:
    print("// Written by golden/quantizer.py: grid, scale, then {x, dL/dQ, Q, dL/dx}, then dL/ds.")
    for name, low, high, step, s in GRIDS:
        rows, total = [], Fraction(0)
        for x, g in zip(XS, GRADS):
            u = x / s
            v = level(u, low, high, step)
            inside = low <= u <= high
            total += g * (v - u if inside else v)
            rows.append("{%r, %r, %r, %r}" % (float(x), float(g), float(v * s), float(g if inside else 0)))
        print('{"%s", %d, %d, %d, %r, {%s}, %r},' %
              (name, low, high, step, float(s), ", ".join(rows), float(total)))


def mean_squared_error(step: float, levels: int) -> float:
    """Of a standard normal, rounded to a symmetric grid of `levels` levels at odd half steps."""
    pdf = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    cdf = lambda z: 0.5 * math.erfc(-z / math.sqrt(2))
    error = 0.0
    for i in range(levels // 2):  # twice the positive half
        y = (i + 0.5) * step
        a, b = i * step, (i + 1) * step if i < levels // 2 - 1 else math.inf
        at_b = (0.0, 0.0, 1.0) if math.isinf(b) else (pdf(b), b * pdf(b), cdf(b))
        mass = at_b[2] - cdf(a)
        first = pdf(a) - at_b[0]
        second = mass + a * pdf(a) - at_b[1]
        error += 2 * (second - 2 * y * first + y * y * mass)
    return error


def steps() -> None:
    for bits in range(2, 9):
        low, high = 1e-3, 2.0
        for _ in range(200):  # golden section would do; thirds are plain
            a, b = low + (high - low) / 3, high - (high - low) / 3
            if mean_squared_error(a, 2**bits) < mean_squared_error(b, 2**bits):
                high = b
            else:
                low = a
        print(bits, round(low, 5))


if __name__ == "__main__":
    {"values": values, "steps": steps}[sys.argv[1]]()
