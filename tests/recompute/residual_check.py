#!/usr/bin/env python3
"""residual_check.py PROGRAM WRITE_ZOO

Runs the small residual networks that WRITE_ZOO writes (random weights, 2 to 8 bits, one scale or one a
channel, the liq quantizer) in NumPy on random images: convolutions, shortcuts with and without a
convolution, the average pool. Compares every trial's counts and losses with the campaign's rows: maps
of weights, stuck-at faults and flips of activations, and noise and drift of levels, whose sites are
drawn here by the rules of docs/faults.md, with SciPy's normal quantiles.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from common import Checks, Program, compare, np, rows_of, safetensors, skip, turned

try:
    from scipy.special import ndtri
except ImportError:
    skip("SciPy is not installed")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "src/fault/golden"))
from bands import Stream, hits  # the sampling rule, with decimal logarithms

IMAGES = 16
TRIALS = 2
SEED = 5
NETWORKS = ("W2A2", "W3A3", "W4A4", "W5A5", "W8A8", "Liq4", "W2A8", "W8A4")
WITH_ACTIVATIONS = ("W4A4", "W5A5", "Liq4")  # their streams take seconds each
WEIGHTS, ACTIVATIONS = 1, 4  # purposes of streams
OWN_STUCK, SHARED_STUCK = 0xFFFFFFFF, 0xFFFFFFFE  # instead of an image's number
PROGRAMMED, DRIFT, READ = 0x43, 0x44, 0x45
F = np.float32


class Residual:
    """Layers as `inspect --json` lists them, with the tensors of a safetensors export."""

    def __init__(self, program, path):
        self.path = path
        program("export", path, "--form", "safetensors", "-o", "net.safetensors")
        self.tensors, self.metadata = safetensors(program.folder / "net.safetensors")
        inspected = program.json("inspect", path, "--json")
        self.layers = inspected["layers"]
        self.writes = {inspected["input"]["name"]: inspected["input"]}
        self.writes.update({layer["writes"]["name"]: layer["writes"] for layer in self.layers})
        self.names = list(self.writes)  # streams number activations in this order

    def weighted(self):
        return [layer["name"] for layer in self.layers if f"{layer['name']}.weight" in self.tensors]

    def bits(self, name):
        return int(self.metadata[f"{name}.weight_bits"])

    def codes(self, name, faults):
        codes = self.tensors[f"{name}.weight"].astype(np.int64)
        flat = codes.reshape(-1)
        for fault in faults:
            if fault["layer"] == name:
                flat[fault["element"]] = turned(int(flat[fault["element"]]), self.bits(name), fault)
        return codes

    def real(self, name):
        """Scale of an activation; logits have none."""
        return np.float64(F(self.writes[name]["scale"])) if f"{name}.scale" in self.tensors else np.float64(1)

    def image(self, pixels):
        x = (pixels.astype(F) / F(255) - F(0.5)) / F(0.25)
        return np.clip(np.round(x / F(self.writes["image"]["scale"])), -128, 127).astype(np.int64)

    def round(self, y, written, masks):
        """Codes of float32 results, then the faults of the memory that holds them."""
        bits, signed = written["bits"], written["signed"]
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        codes = np.clip(np.round(y), low, high).astype(np.int64)
        mask = masks(written["name"], codes.shape) if masks else None
        if mask is None:
            return codes
        flip, sets, clears = mask
        words = ((codes % (1 << bits) ^ flip) | sets) & ~clears
        return words - ((words >> (bits - 1) & 1) << bits) if signed else words

    def run(self, pixels, faults=(), masks=None):
        held = {"image": self.image(pixels)}
        for layer in self.layers:
            name, x, written = layer["name"], held[layer["reads"]], layer["writes"]
            s_x, s_y = self.real(layer["reads"]), self.real(written["name"])
            if layer["kind"] == "avg-pool":
                area = x.shape[2] * x.shape[3]
                y = x.sum((2, 3), keepdims=True).astype(F) * F(s_x / (area * s_y))
            else:
                values = self.codes(name, faults)
                if self.metadata[f"{name}.value_map"] == "odd":
                    values = 2 * values + 1
                biases = self.tensors[f"{name}.bias"].astype(F)
                scales = (s_x * self.tensors[f"{name}.weight_scale"].astype(np.float64) / s_y).astype(F)
                if layer["kind"] == "conv":
                    y = convolved(x, values, layer["stride"], layer["pad"]).astype(F)
                    biases, scales = biases.reshape(-1, 1, 1), scales.reshape(-1, 1, 1)
                else:
                    y = (x.reshape(len(x), -1) @ values.T).astype(F)
                y = (y + biases) * scales
                if layer["adds"]:  # fma: one rounding
                    y = (held[layer["adds"]] * np.float64(F(self.real(layer["adds"]) / s_y)) + y.astype(np.float64)).astype(F)
            if layer is self.layers[-1]:
                return y.reshape(len(x), -1).astype(np.float64)
            if layer.get("relu"):
                y = np.maximum(y, F(0))
            held[written["name"]] = self.round(y, written, masks)


def convolved(x, values, stride, pad):
    """Exact sums; padding adds nothing."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    kernel = values.shape[2]
    views = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", views, values)


def effects(kind):
    """Which of (flip, set, clear) a fault is part of."""
    return {"bit_flip": 0, "stuck_at_1": 1, "stuck_at_0": 2}[kind]


class ActivationMasks:
    """Of one trial of one source: called with an activation, gives (flip, set, clear) of all images."""

    def __init__(self, network, kind, rate, trial, shared):
        self.network, self.kind, self.rate, self.trial = network, kind, rate, trial
        stored = {name: a for name, a in network.writes.items() if f"{name}.scale" in network.tensors and name != "image"}
        self.addresses = None
        if shared:
            self.width = max(a["bits"] for a in stored.values())
            words = max(int(np.prod(a["shape"])) for a in stored.values())
            self.addresses = self.drawn(SHARED_STUCK, 0, words * self.width)

    def drawn(self, sub_a, sub_b, count):
        return [place for place, _ in hits(Stream(SEED, self.trial, ACTIVATIONS, sub_a, sub_b), count, self.rate)]

    def places(self, name, image):
        """(element, bit) pairs of one image."""
        bits, shape = self.network.writes[name]["bits"], self.network.writes[name]["shape"]
        elements = int(np.prod(shape))
        if self.addresses is not None:
            pairs = [(place // self.width, place % self.width) for place in self.addresses]
            return [(element, bit) for element, bit in pairs if element < elements and bit < bits]
        sub_a = image if self.kind == "bit_flip" else OWN_STUCK
        drawn = self.drawn(sub_a, self.network.names.index(name), elements * bits)
        return [(place // bits, place % bits) for place in drawn]

    def __call__(self, name, shape):
        masks = np.zeros((3, shape[0], int(np.prod(shape[1:]))), np.int64)
        for image in range(shape[0] if self.kind == "bit_flip" else 1):
            for element, bit in self.places(name, image):
                where = image if self.kind == "bit_flip" else slice(None)
                masks[effects(self.kind), where, element] |= 1 << bit
        return masks.reshape(3, *shape)


def deviates(count, trial, tensor, number):
    stream = Stream(SEED, trial, WEIGHTS, tensor, number)
    return ndtri((np.array([stream.u52() for _ in range(count)]) + 0.5) / 2.0**52)


def noisy_sites(network, sigma, noise, trial):
    """(layer, element, bit) whose stored bit differs once the levels have been read."""
    sites = set()
    for tensor, name in enumerate(network.weighted()):
        codes, bits = network.codes(name, ()).reshape(-1), network.bits(name)
        span = 2**bits - 1
        level = codes + sigma * span * deviates(codes.size, trial, tensor, PROGRAMMED)
        if noise["drift_time"] > 1:
            nu = noise["drift_exponent"] + noise["drift_spread"] * deviates(codes.size, trial, tensor, DRIFT)
            level = level * noise["drift_time"] ** -nu
        if noise["read_noise"]:
            level = level + noise["read_noise"] * span * deviates(codes.size, trial, tensor, READ)
        read = np.round(np.clip(level, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)).astype(np.int64)
        turned_bits = (codes ^ read) & span
        sites |= {(name, int(element), bit) for bit in range(bits) for element in np.nonzero(turned_bits >> bit & 1)[0]}
    return sites


def drawn_map(program, network, text, trial):
    config = program.write("map.toml", text)
    program("faults", "draw", network.path, "--config", config, "--seed", SEED, "--trial", trial, "--out", "map.json")
    return json.loads((program.folder / "map.json").read_text())["faults"]


def campaign(program, network, name, rates, faults):
    plan = program.write("plan.toml", f"""models = ["{network.path}"]
data = "images"
rates = {json.dumps(rates)}
trials = {TRIALS}
seed = {SEED}
{faults}
""")
    program("campaign", plan, "--db", f"{name}.db")
    return rows_of(program, f"{name}.db")


def check_weights(check, program, network, golden, pixels, labels):
    rates, kinds = (0.002, 0.03), ("bit_flip", "stuck_at_0", "stuck_at_1")
    rows = campaign(program, network, f"{network.path}-weights", rates, f"kinds = {json.dumps(kinds)}")
    for number, kind in enumerate(kinds):
        for level, rate in enumerate(rates):
            for trial in range(TRIALS):
                faults = drawn_map(program, network, f'[[faults]]\nkind = "{kind}"\nrate = {rate}\n', trial)
                compare(check, f"{network.path} {kind} {rate} trial {trial}", rows[number, level, trial], golden,
                        network.run(pixels, faults), labels)


def check_activations(check, program, network, golden, pixels, labels):
    rates = (0.002, 0.03)
    for kind, shared in (("stuck_at_1", False), ("stuck_at_0", False), ("stuck_at_1", True), ("bit_flip", False)):
        name = f"{network.path}-{kind}-{shared}"
        source = f'[[faults]]\ntarget = "activations"\nkind = "{kind}"\n' + (
            "" if kind == "bit_flip" else f"shared_buffer = {str(shared).lower()}\n")
        rows = campaign(program, network, name, rates, source)
        for level, rate in enumerate(rates):
            for trial in range(TRIALS):
                masks = ActivationMasks(network, kind, rate, trial, shared)
                compare(check, f"{name} {rate} trial {trial}", rows[0, level, trial], golden,
                        network.run(pixels, masks=masks), labels)


def check_levels(check, program, network, golden, pixels, labels):
    still = {"read_noise": 0.0, "drift_time": 1, "drift_exponent": 0.0, "drift_spread": 0.0}
    drifting = {"read_noise": 0.01, "drift_time": 1000, "drift_exponent": 0.03, "drift_spread": 0.01}
    for number, noise in enumerate((still, drifting)):
        keys = "".join(f"{key} = {value}\n" for key, value in noise.items())
        rates = (0.02, 0.1)
        rows = campaign(program, network, f"{network.path}-levels{number}", rates, '[[faults]]\nunit = "level"\n' + keys)
        for level, rate in enumerate(rates):
            for trial in range(TRIALS):
                label = f"{network.path} levels {number} {rate} trial {trial}"
                faults = drawn_map(program, network, f'[[faults]]\nunit = "level"\nrate = {rate}\n{keys}', trial)
                sites = noisy_sites(network, rate, noise, trial)
                check.same(f"{label} sites", sites, {(f["layer"], f["element"], f["bit"]) for f in faults})
                check(f"{label} drawn", len(sites), rows[0, level, trial]["drawn"])
                flips = [{"layer": layer, "element": element, "bit": bit, "kind": "bit_flip"} for layer, element, bit in sites]
                compare(check, f"{label}", rows[0, level, trial], golden, network.run(pixels, flips), labels)


def main():
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(sys.argv[1], folder)
        subprocess.run([sys.argv[2], "zoo"], cwd=folder, check=True)
        random = np.random.default_rng(3)
        pixels = random.integers(0, 256, (IMAGES, 3, 12, 12), np.uint8)
        labels = random.integers(0, 10, IMAGES)
        (program.folder / "images").mkdir()
        np.savez(program.folder / "images/images.npz", x=pixels, y=labels)
        program.write("images/data.toml", 'path = "images.npz"\nmean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.25, 0.25]\n')
        for name in NETWORKS:
            network = Residual(program, f"zoo/Residual{name}.onnx")
            golden = network.run(pixels)
            check_weights(check, program, network, golden, pixels, labels)
            if name in WITH_ACTIVATIONS:
                check_activations(check, program, network, golden, pixels, labels)
            check_levels(check, program, network, golden, pixels, labels)
    check.finish()


if __name__ == "__main__":
    main()
