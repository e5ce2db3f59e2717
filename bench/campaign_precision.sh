#!/usr/bin/env bash
# campaign_precision.sh FLATENN MODEL.onnx [RATE] [HALF_WIDTH] [campaign flags...]
#
# What a half-width costs three ways, in inferences, seconds on the clock and of processor time: a fixed 100 trials over all images, the stop
# rule over all images, and the stop rule with few images a trial (pilot included).
set -euo pipefail

flatenn=$1 model=$2 rate=${3:-0.01} half_width=${4:-0.005}
extra=("${@:5}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure NAME PILOT_INFERENCES FLAGS...
measure() {
  local name=$1 pilot=$2 times
  shift 2
  local TIMEFORMAT='%R %U %S'
  times=$({ time "$flatenn" --quiet campaign --db "$work/$name.db" --model "$model" \
    --rates "$rate" --seed 1 ${extra[@]+"${extra[@]}"} "$@" >/dev/null 2>"$work/errors"; } 2>&1) ||
    { cat "$work/errors" >&2; exit 1; }
  "$flatenn" results "$work/$name.db" --json | python3 -c '
import json, sys
name, pilot = sys.argv[1], int(sys.argv[2])
clock, user, system = map(float, sys.argv[3].split())
cell = json.load(sys.stdin)[0]["cells"][0]
half = (cell["ci"][1] - cell["ci"][0]) / 2
trials, images = cell["trials"], cell["images"]
mean = cell["mean"]
print(f"{name:12} {trials:5} trials x {images:5} images {trials * images + pilot:9} inferences "
      f"{clock:7.2f} s, {user + system:6.2f} s of CPU time  mean {100 * mean:.2f} % +- {100 * half:.2f}")
' "$name" "$pilot" "$times"
}

measure fixed 0 --trials 100
measure all-images 0 --half-width "$half_width"
measure few-images 4000 --half-width "$half_width" --images auto
