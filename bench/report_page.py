#!/usr/bin/env python3
"""The report of a study of 20 networks and 100,000 trials: time to write, size, time in a browser.

    report_page.py FLATENN MODEL.onnx [--data mnist] [--folder DIR]

The study (tests/browser/make_study.py) is made where DIR has none. The browser's part needs node,
playwright-core (tools/node) and Chromium.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/browser"))
from make_study import make_study  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("flatenn")
    parser.add_argument("model")
    parser.add_argument("--data")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/report-study")
    options = parser.parse_args()
    if not (options.folder / "results.db").exists():
        make_study(options.flatenn, options.model, options.folder, seeds=5, trials=250, images=100,
                   data=options.data)
    page = options.folder / "report.html"
    start = time.monotonic()
    subprocess.run([options.flatenn, "-q", "report", options.folder, "-o", page], check=True)
    print(f"written in {time.monotonic() - start:.1f} s, {os.path.getsize(page) / 1e6:.2f} MB")
    return subprocess.run(["node", ROOT / "tests/browser/time_page.js", page], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
