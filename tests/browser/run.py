#!/usr/bin/env python3
"""The report of a small study in a browser: run.py FLATENN MODEL.onnx. Run by ctest; exit code 77
where node, playwright-core or Chromium is missing."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from make_study import make_study

TEST = pathlib.Path(__file__).resolve().parent / "report_test.js"


HOSTILE_TOO = "drawn|told in words|wider|paper holds|axe finds nothing: phone"


def ask(flatenn, folder, *only):
    page = folder / "report.html"
    subprocess.run([flatenn, "-q", "report", folder, "-o", page], check=True)
    return subprocess.run(["node", TEST, page, *only], check=False).returncode == 0


def main(flatenn, model):
    if shutil.which("node") is None:
        print("skipped: node is missing")
        return 77
    if subprocess.run(["node", TEST, "--missing"], check=False).returncode == 77:
        return 77
    with tempfile.TemporaryDirectory() as name:
        usual = make_study(flatenn, model, pathlib.Path(name) / "usual")
        hostile = make_study(flatenn, model, pathlib.Path(name) / "hostile", hostile=True)
        passed = ask(flatenn, usual)
        print("-- networks with hostile names")
        return 0 if ask(flatenn, hostile, HOSTILE_TOO) and passed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
