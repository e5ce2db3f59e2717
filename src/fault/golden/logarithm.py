"""Prints band_table.inc and the golden logarithms of logarithm_test.cpp.

Uses nothing but Python's decimal arithmetic with 60 digits:
    python3 logarithm.py bands > ../band_table.inc
    python3 logarithm.py logs  > logarithm.inc
"""

import sys
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 60


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def bands() -> None:
    print("// -1 / log(1 - r) for each band, lowest first; written by golden/logarithm.py.")
    lowest = Fraction(1, 2**40)
    chances = [lowest] + [
        Fraction(1, 2 ** (j + 1)) / (1 - Fraction(1, 2 ** (j + 1))) for j in range(39, 0, -1)
    ]
    for r in chances:
        print(f"{float(-1 / decimal(1 - r).ln()).hex()},")


def logs() -> None:
    print("// {u, -log(u)} to the nearest double; written by golden/logarithm.py.")
    points = [2.0**-53, 3 * 2.0**-53, 1 - 2.0**-53, 1 - 3 * 2.0**-53, 0.5, 0.25, 2.0**-40, 0.7071067811865475]
    points += [0.7071067811865476, 0.5 + 2.0**-53, 0.5 - 2.0**-54, 1 / 3, 0.1, 0.9, 0.99, 0.999999, 1e-3, 1e-9]
    state = 1
    for _ in range(46):  # a plain linear congruence spreads the rest over (0, 1)
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        points.append(((state >> 12) + 0.5) * 2.0**-52)
    for u in points:
        print(f"{{{u.hex()}, {float(-Decimal(u).ln()).hex()}}},")


if __name__ == "__main__":
    {"bands": bands, "logs": logs}[sys.argv[1]]()
