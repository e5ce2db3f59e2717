#!/usr/bin/env bash
# campaign_precision.sh FLATENN MODEL.onnx [RATE] [HALF_WIDTH] [campaign flags...]
#
# What a half-width costs three ways, in inferences and seconds: a fixed 100 trials over all images, the stop
# rule over all images, and the stop rule with few images a trial (pilot included).
set -euo pipefail

flatenn=$1 model=$2 rate=${3:-0.01} half_width=${4:-0.005}
extra=("${@:5}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure NAME PILOT_INFERENCES FLAGS...
measure() {
  local name=$1 pilot=$2 start end
  shift 2
  start=$(date +%s.%N)
  "$flatenn" --quiet campaign --db "$work/$name.db" --model "$model" --rates "$rate" --seed 1 \
    ${extra[@]+"${extra[@]}"} "$@" >/dev/null
  end=$(date +%s.%N)
  "$flatenn" results "$work/$name.db" --json | python3 -c '
import json, sys
name, pilot, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[4]) - float(sys.argv[3])
cell = json.load(sys.stdin)[0]["cells"][0]
half = (cell["ci"][1] - cell["ci"][0]) / 2
inferences = cell["trials"] * cell["images"] + pilot
print(f"{name:12} {cell['"'trials'"']:5} trials x {cell['"'images'"']:5} images {inferences:9} inferences "
      f"{seconds:8.2f} s  mean {100 * cell['"'mean'"']:.2f} % +- {100 * half:.2f}  stop: {cell['"'stop'"']}")
' "$name" "$pilot" "$start" "$end"
}

measure fixed 0 --trials 100
measure all-images 0 --half-width "$half_width"
measure few-images 4000 --half-width "$half_width" --images auto
