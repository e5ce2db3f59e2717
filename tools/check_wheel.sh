#!/usr/bin/env bash
# Installs a wheel in a bare root of Debian 12 that has Python and nothing else of ours, and uses it there.
# Needs root and mmdebstrap.
#
#     tools/check_wheel.sh dist/flatenn-*.whl
set -euo pipefail
wheel=$(realpath "$1")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --variant=apt --include=python3-venv bookworm "$root/debian" >/dev/null
cp "$wheel" "$root/debian/tmp/"
cp tests/corpus/models/ort_qdq_plain_u8s8.onnx "$root/debian/tmp/model.onnx"
cp /etc/resolv.conf "$root/debian/etc/resolv.conf"
mkdir -p "$root/debian/etc/ssl/certs"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/debian/etc/ssl/certs/"
# With /proc, by which programs find the libraries beside them.
unshare --mount --pid --fork --mount-proc="$root/debian/proc" chroot "$root/debian" /bin/bash -euc '
  python3 -m venv /tmp/venv
  /tmp/venv/bin/pip install -q /tmp/*.whl
  /tmp/venv/bin/flatenn inspect /tmp/model.onnx
  if command -v g++; then echo "this root is not bare" >&2; exit 1; fi
  /tmp/venv/bin/python - <<END
import flatenn, numpy as np
net = flatenn.load("/tmp/model.onnx")
x = np.zeros((50, *net.input_shape), np.float32)
print(flatenn.campaign(net, (x, np.zeros(50, int)), rates=[0.01], trials=3))
END'
