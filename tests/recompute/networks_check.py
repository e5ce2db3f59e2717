#!/usr/bin/env python3
"""networks_check.py PROGRAM

Runs small trained networks (one scale a channel; the liq quantizer, whose codes mean 2k + 1) in NumPy,
with the faults of the maps that `flatenn faults draw` writes, and compares every trial's counts with
the campaign's rows: bit flips and stuck-at faults of weights, of biases, and flips of activations, which
are drawn here by the rule of docs/faults.md. Also: maps nest, and the cost model's counts.
"""

import json
import pathlib
import sys
import tempfile

from common import Checks, Program, compare, mnist_test, np, rows_of, safetensors, turned

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "src/fault/golden"))
from bands import Stream, hits  # the sampling rule, with decimal logarithms

IMAGES = 40
TRIALS = 3
RATES = (0.001, 0.01, 0.05)
SEED = 11
LAYERS = ("fc1", "fc2", "fc3")
ACTIVATION_PURPOSE = 4
LANES = 64
MEAN, DEVIATION = np.float32(0.1306604762738429), np.float32(0.30810780717887876)  # of MNIST's training pixels


class Network:
    """What docs say of a perceptron's integers: codes, scales and biases of a safetensors export."""

    def __init__(self, program, path):
        program("export", path, "--form", "safetensors", "-o", "net.safetensors")
        self.tensors, metadata = safetensors(program.folder / "net.safetensors")
        inspected = program.json("inspect", path, "--json")
        self.bits = {layer: int(metadata[f"{layer}.weight_bits"]) for layer in LAYERS}
        self.odd = {layer: metadata[f"{layer}.value_map"] == "odd" for layer in LAYERS}
        self.writes = {layer["name"]: layer["writes"] for layer in inspected["layers"]}
        self.scale = {"image": np.float32(inspected["input"]["scale"]), LAYERS[-1]: np.float32(1)}
        for layer in LAYERS[:-1]:
            self.scale[layer] = np.float32(self.tensors[f"{layer}_out.scale"])

    def multiplier(self, before, layer):
        """Of accumulators, in double and rounded once; float32 steps as net/network.h defines them."""
        weights = self.tensors[f"{layer}.weight_scale"].astype(np.float64)
        return (np.float64(self.scale[before]) * weights / np.float64(self.scale[layer])).astype(np.float32)

    def faulty(self, faults, layer):
        """Weights' values and biases under a map: a word of two's complement, bit by bit."""
        codes = self.tensors[f"{layer}.weight"].astype(np.int64).copy()
        biases = self.tensors[f"{layer}.bias"].astype(np.int64).copy()
        for name, words, bits in ((layer, codes.reshape(-1), self.bits[layer]), (f"{layer}.bias", biases, 32)):
            for fault in faults:
                if fault["layer"] == name:
                    words[fault["element"]] = turned(int(words[fault["element"]]), bits, fault)
        return 2 * codes + 1 if self.odd[layer] else codes, biases

    def run(self, pixels, faults=(), masks=None):
        """Codes that each layer reads, and the logits; masks are xored onto codes that a layer wrote."""
        x = (pixels.astype(np.float32) / np.float32(255) - MEAN) / DEVIATION
        codes = np.clip(np.round(x / self.scale["image"]), -128, 127).astype(np.int64)
        reads, before = {}, "image"
        for layer in LAYERS:
            reads[layer] = codes
            values, biases = self.faulty(faults, layer)
            y = (codes @ values.T).astype(np.float32) + biases.astype(np.float32)
            y = y * self.multiplier(before, layer)
            if layer == LAYERS[-1]:
                return reads, y.astype(np.float64)
            top = 2 ** self.writes[layer]["bits"] - 1
            codes = np.clip(np.round(np.maximum(y, 0)), 0, top).astype(np.int64)
            if masks:
                codes = codes ^ masks[layer]
            before = layer


def flips_of_activations(network, rate, trial):
    """Masks by layer; every image and activation has a stream over its bits, element by element."""
    masks = {}
    for number, layer in enumerate(LAYERS[:-1], start=1):
        bits, elements = network.writes[layer]["bits"], network.writes[layer]["shape"][0]
        masks[layer] = np.zeros((IMAGES, elements), np.int64)
        for image in range(IMAGES):
            stream = Stream(SEED, trial, ACTIVATION_PURPOSE, image, number)
            for place, _ in hits(stream, elements * bits, rate):
                masks[layer][image, place // bits] ^= 1 << place % bits
    return masks


def check_maps(check, program, path, name, target, kinds):
    network, (pixels, labels) = Network(program, path), mnist_test(IMAGES)
    golden = network.run(pixels)[1]
    db = f"{name}.db"
    flags = ["--biases"] if target == "biases" else []
    program("campaign", "--db", db, "--model", path, "--data", "mnist", "--first-images", IMAGES, "--kinds", ",".join(kinds),
            "--rates", ",".join(map(str, RATES)), "--trials", TRIALS, "--seed", SEED, *flags)
    rows = rows_of(program, db)
    for number, kind in enumerate(kinds):
        for trial in range(TRIALS):
            smaller = set()
            for level, rate in enumerate(RATES):
                config = program.write("map.toml", "".join(
                    f'[[faults]]\ntarget = "{t}"\nkind = "{kind}"\nrate = {rate}\n'
                    for t in (["weights", "biases"] if target == "biases" else ["weights"])))
                program("faults", "draw", path, "--config", config, "--seed", SEED, "--trial", trial, "--out", "map.json")
                faults = json.loads((program.folder / "map.json").read_text())["faults"]
                sites = {(fault["layer"], fault["element"], fault["bit"]) for fault in faults}
                label = f"{name} {kind} {rate} trial {trial}"
                check.same(f"{label} holds the map of the lower rate", True, smaller <= sites)
                smaller = sites
                row = rows[number, level, trial]
                check(f"{label} drawn", len(sites), row["drawn"])
                compare(check, label, row, golden, network.run(pixels, faults)[1], labels)


def check_activations(check, program, path):
    network, (pixels, labels) = Network(program, path), mnist_test(IMAGES)
    golden = network.run(pixels)[1]
    plan = program.write("activations.toml", f"""models = ["{path}"]
data = "mnist"
first_images = {IMAGES}
rates = [{', '.join(map(str, RATES))}]
trials = {TRIALS}
seed = {SEED}
[[faults]]
target = "activations"
kind = "bit_flip"
""")
    program("campaign", plan, "--db", "activations.db")
    rows = rows_of(program, "activations.db")
    for trial in range(TRIALS):
        for level, rate in enumerate(RATES):
            masks = flips_of_activations(network, rate, trial)
            compare(check, f"activations {rate} trial {trial}", rows[0, level, trial], golden,
                    network.run(pixels, masks=masks)[1], labels)


def check_cost(check, program, path):
    """Zero codes of real images, and the busiest of 64 lanes that own codes in turn."""
    network, (pixels, _) = Network(program, path), mnist_test(IMAGES)
    reads = network.run(pixels)[0]
    hardware = program.write("lanes.toml", f'name = "lanes"\nkind = "zero_skipping"\nlanes = {LANES}\nassignment = "interleaved"\n')
    report = program.json("cost", path, "--data", "mnist", "--images", IMAGES, "--hardware", hardware, "--json")
    report = report[0] if isinstance(report, list) else report
    zeros = macs = 0
    for layer in report["layers"]:
        name, codes = layer["layer"], reads[layer["layer"]]
        outputs, fan_in = network.tensors[f"{name}.weight"].shape
        busy = codes != 0
        check(f"{path} {name} dense MACs", outputs * fan_in, layer["dense_macs"])
        check(f"{path} {name} sparsity", 1 - busy.mean(), layer["sparsity"])
        check(f"{path} {name} effective MACs", busy.sum(1).mean() * outputs, layer["effective_macs"])
        lanes = np.stack([busy[:, lane::LANES].sum(1) for lane in range(min(LANES, fan_in))], 1) * outputs
        check(f"{path} {name} busiest lane", lanes.max(1).mean(), layer["busiest_lane_macs"])
        check(f"{path} {name} imbalance", lanes.max(1).sum() / (lanes.sum() / LANES), layer["load_imbalance"])
        if name != LAYERS[0]:
            zeros += (1 - busy.mean()) * outputs * fan_in
            macs += outputs * fan_in
    check(f"{path} total sparsity", zeros / macs, report["total"]["sparsity"])


def main():
    check = Checks()
    mnist_test(1)
    with tempfile.TemporaryDirectory() as folder:
        program = Program(sys.argv[1], folder)
        channels = program.train("channels", "quant.per_channel=true")
        liq = program.train("liq", "quant.quantizer=liq")
        for path, name in ((channels, "channels"), (liq, "liq")):
            check_maps(check, program, path, name, "weights", ["bit_flip", "stuck_at_0", "stuck_at_1"])
            check_cost(check, program, path)
        check_activations(check, program, channels)
        check_maps(check, program, channels, "biases", "biases", ["bit_flip", "stuck_at_1"])
    check.finish()


if __name__ == "__main__":
    main()
