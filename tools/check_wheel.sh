#!/usr/bin/env bash
# Uses the wheels of a folder in a bare root of a Debian suite, which has that suite's Python and nothing else of ours.
# Needs root and mmdebstrap, which takes what options are left.
#
#     tools/check_wheel.sh dist [bookworm [MMDEBSTRAP_OPTION...]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wheels=${1:?the folder of wheels} suite=${2:-bookworm}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --variant=apt --include=python3-venv "${@:3}" "$suite" "$root/debian" >/dev/null
cp "$wheels"/*.whl tools/try_wheel.sh "$root/debian/srv/"
cp tests/corpus/models/ort_qdq_plain_u8s8.onnx "$root/debian/srv/model.onnx"
cp /etc/resolv.conf "$root/debian/etc/resolv.conf"
mkdir -p "$root/debian/etc/ssl/certs"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/debian/etc/ssl/certs/"
# With /proc, by which programs find the libraries beside them.
unshare --mount --pid --fork --mount-proc="$root/debian/proc" chroot "$root/debian" /bin/bash -euc '
  if command -v g++; then echo "this root is not bare" >&2; exit 1; fi
  cd /srv
  bash try_wheel.sh python3 /srv model.onnx'
