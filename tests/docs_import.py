#!/usr/bin/env python3
"""Runs the examples of docs/import.md: export by their tool, import, campaign and report here.

    docs_import.py FLATENN PAGE PYTHON...

Each section that holds Python code is one script, put behind what the page takes for granted (a
trained network, images; PRELUDES), run by the first PYTHON that has the packages the section imports,
in an empty folder; the section's flatenn commands follow, with those of the introduction where it has
none of its own. The imported network must be as accurate as the trained one, less LOST points.
Data are MNIST's below $FLATENN_DATA. Exits with 77 where there is none, or no section can run.
"""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

LOST = 3.0  # percentage points; 1,000 images, 4 bits
FEWEST = 80.0  # percent: a network that has learned nothing shows nothing

READ_MNIST = '''
import gzip, json, os, pathlib
import numpy as np

def mnist(name, header):
    path = pathlib.Path(os.environ["FLATENN_DATA"]) / "mnist" / f"{name}.gz"
    return np.frombuffer(gzip.decompress(path.read_bytes())[header:], np.uint8)

pixels = mnist("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)[:12000] / np.float32(255)
labels = mnist("train-labels-idx1-ubyte", 8)[:12000].astype(np.int64)
test_pixels = mnist("t10k-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)[:1000] / np.float32(255)
test_labels = mnist("t10k-labels-idx1-ubyte", 8)[:1000]
normalized = lambda x: (x - np.float32(0.130660)) / np.float32(0.308108)

def say(answers):
    share = float((answers.argmax(1) == test_labels).mean())
    pathlib.Path("accuracy.json").write_text(json.dumps(100 * share))
'''
WITH_TORCH = READ_MNIST + '''
import torch
torch.manual_seed(1)
torch.set_num_threads(1)
x, y = torch.from_numpy(normalized(pixels)), torch.from_numpy(labels)
images = x[:128]

def train(model, epochs=2):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        say(model(torch.from_numpy(normalized(test_pixels))).numpy())
'''
TORCH_MODEL = WITH_TORCH + '''
from torch import nn
model = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(),
                      nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))
train(model)
'''
FLOAT_FILE = TORCH_MODEL + '''
torch.onnx.export(model, (images[:1],), "float.onnx", input_names=["image"], dynamo=True,
                  dynamic_shapes=({0: torch.export.Dim("batch")},))
images = images.numpy()
'''
KERAS_MODEL = READ_MNIST + '''
import keras
keras.utils.set_random_seed(1)
train_images = pixels.transpose(0, 2, 3, 1)
model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(8, 5, activation="relu"),
                          keras.layers.MaxPooling2D(), keras.layers.Conv2D(16, 5, activation="relu"),
                          keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(10)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(train_images, labels, batch_size=64, epochs=2, verbose=0)
say(model.predict(test_pixels.transpose(0, 2, 3, 1), verbose=0))
'''
PRELUDES = {"From PyTorch": TORCH_MODEL, "From Brevitas": WITH_TORCH,
            "From ONNX Runtime": FLOAT_FILE, "From NNCF": FLOAT_FILE, "A whole example": KERAS_MODEL}


def sections(page):
    """Of a page's sections: heading, Python code, flatenn commands."""
    parts = re.split(r"^#{2,3} (.*)$", page, flags=re.MULTILINE)
    for heading, body in zip(parts[1::2], parts[2::2]):
        lines = [line[4:] for line in body.splitlines() if line.startswith("    ") or not line]
        commands = [line for line in lines if line.startswith("flatenn ")]
        code = "\n".join(line for line in lines if not line.startswith("flatenn "))
        yield heading, code if re.search(r"^(import|from) ", code, re.MULTILINE) else "", commands


def runs(python, code):
    """Whether that Python has every package that the code imports."""
    names = sorted(set(re.findall(r"^(?:import|from) ([\w.]+)", code, re.MULTILINE)))
    names += re.findall(r"^import \w+, (\w+)$", code, re.MULTILINE)
    check = f"import importlib\nfor name in {names}: importlib.import_module(name)"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def run_section(flatenn, python, code, commands):
    """Runs a section in an empty folder: accuracies there and here."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, HOME=folder, PATH=f"{flatenn.parent}:{os.environ['PATH']}")
        run = lambda words, **more: subprocess.run(words, cwd=folder, env=environment, text=True,
                                                   capture_output=True, timeout=900, check=True, **more)
        run([python, "-c", code])
        accuracy = json.loads((pathlib.Path(folder) / "accuracy.json").read_text())
        for command in commands:
            command = command.replace("--data fashion-mnist", "--data mnist").split(" #")[0]
            here = run(["bash", "-c", command])
            if command.startswith("flatenn eval"):
                said = re.search(r"([0-9.]+) %", here.stdout)
        assert (pathlib.Path(folder) / "report.html").stat().st_size > 10000
        return accuracy, float(said[1])


def main(flatenn, page, *pythons):
    flatenn = pathlib.Path(flatenn).resolve()
    if not (pathlib.Path(os.environ.get("FLATENN_DATA", "/nowhere")) / "mnist").is_dir():
        print("skipped: no MNIST below $FLATENN_DATA")
        return 77
    failed, ran, usual = False, 0, []
    for heading, code, commands in sections(pathlib.Path(page).read_text(encoding="utf-8")):
        if not code:
            usual = usual or [c for c in commands if " -o model.onnx " not in c]
            continue
        code = PRELUDES[heading] + textwrap.dedent(code)
        python = next((p for p in pythons if pathlib.Path(p).exists() and runs(p, code)), None)
        if python is None:
            print(f"{heading}: skipped, no Python here has its packages")
            continue
        ran += 1
        if len(commands) < 2:
            commands = commands + usual
        try:
            there, here = run_section(flatenn, python, code, commands)
            wrong = there < FEWEST or here < there - LOST
            print(f"{heading}: {there:.1f} % there, {here:.1f} % here{' WRONG' if wrong else ''}")
        except subprocess.CalledProcessError as error:
            wrong = True
            print(f"{heading}: {error.cmd[-1][-200:]}: exit code {error.returncode}\n{error.stderr[-1500:]}")
        failed = failed or wrong
    return 1 if failed else 0 if ran else 77


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
