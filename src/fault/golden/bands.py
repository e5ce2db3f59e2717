"""The sampling rule written a second time, with exact decimal logarithms.

Prints golden/bands.inc, the hits that band_sampler_test.cpp expects:
    python3 bands.py > bands.inc
"""

from decimal import Decimal, getcontext

getcontext().prec = 60
MASK = 2**32 - 1


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


class Stream:
    def __init__(self, seed, trial, purpose, sub_a, sub_b):
        self.key = (seed & MASK, seed >> 32)
        self.counter = [0, trial, purpose << 16 | sub_b, sub_a]
        self.words = []

    def u64(self):
        if not self.words:
            self.words = philox(self.counter, self.key)
            self.counter[0] += 1
        low, high = self.words[:2]
        self.words = self.words[2:]
        return high << 32 | low

    def u52(self):
        return self.u64() >> 12


def hits(stream, count, rate):
    found = {}
    for band in range(41):
        low = 0.0 if band == 0 else 2.0 ** (band - 41)
        if low >= rate:
            break
        width = 2.0**-40 if band == 0 else low
        r = Decimal(width) / (1 - Decimal(low))
        lower = set(found)
        index = 0
        while index < count:
            if r < 1:
                u = (Decimal(stream.u52()) + Decimal("0.5")) / 2**52
                index += int(u.ln() / (1 - r).ln())
            if index >= count:
                break
            if index not in lower:
                found[index] = low + width * (stream.u52() * 2.0**-52)
            index += 1
    return sorted((index, u) for index, u in found.items() if u < rate)


if __name__ == "__main__":
    print("// {index, u} of stream (42, 731, weight fault, 3, 2); written by golden/bands.py.")
    for index, u in hits(Stream(42, 731, 1, 3, 2), 10_000, 2e-3):
        print(f"{{{index}, {u.hex()}}},")
