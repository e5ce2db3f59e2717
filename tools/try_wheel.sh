#!/usr/bin/env bash
# Installs the wheel of a folder that fits a Python into a virtual environment of its own, and uses it there.
#
#     tools/try_wheel.sh python3.12 dist tests/corpus/models/ort_qdq_plain_u8s8.onnx
set -euo pipefail
python=$1 wheels=$2 model=$3
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"$python" -m venv "$venv"
"$venv/bin/pip" install -q numpy
"$venv/bin/pip" install -q --no-index --find-links "$wheels" flatenn
"$venv/bin/flatenn" inspect "$model"
cd "$venv" # no checkout in sight
"$venv/bin/python" - "$(realpath "$OLDPWD")/$model" <<'END'
import platform
import sys

import numpy as np

import flatenn

net = flatenn.load(sys.argv[1])
x = np.zeros((50, *net.input_shape), np.float32)
print(flatenn.campaign(net, (x, np.zeros(50, int)), rates=[0.01], trials=3))
print(f"flatenn {flatenn.__version__} works with Python {platform.python_version()}")
END
