#!/usr/bin/env bash
# campaign_precision.sh FLATENN MODEL.onnx [RATE] [HALF_WIDTH] [campaign flags...]
#
# What a half-width costs by the stop rule over all images and with few images a trial (pilot included): inferences, seconds on the clock
# and of processor time. ROUNDS=7 takes the two in turn that often and tells medians, and how many times less the second takes (median and
# range of pairs). FIXED=1 also runs 100 trials over all images, once. Images loaded and the fault-free pass over all of them are part of
# every run's time, not of its inferences.
set -euo pipefail

flatenn=$1 model=$2 rate=${3:-0.01} half_width=${4:-0.005}
extra=("${@:5}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure NAME FLAGS...: a line "NAME CLOCK USER SYSTEM" in $work/times; the results stay in $work/NAME.db.
measure() {
  local name=$1 times
  shift
  rm -f "$work/$name.db"*
  local TIMEFORMAT='%R %U %S'
  times=$({ time "$flatenn" --quiet campaign --db "$work/$name.db" --model "$model" \
    --rates "$rate" --seed 1 ${extra[@]+"${extra[@]}"} "$@" >/dev/null 2>"$work/errors"; } 2>&1) ||
    { cat "$work/errors" >&2; exit 1; }
  echo "$name $times" >>"$work/times"
}

if [[ ${FIXED:-0} == 1 ]]; then measure fixed --trials 100; fi
for ((round = 0; round < ${ROUNDS:-1}; ++round)); do
  measure all-images --half-width "$half_width"
  measure few-images --half-width "$half_width" --images auto
done
for db in "$work"/*.db; do "$flatenn" results "$db" --json >"${db%.db}.json"; done

python3 - "$work" <<'PYTHON'
import json, pathlib, statistics, sys

work = pathlib.Path(sys.argv[1])
runs = {}  # name -> [(clock, processor time)]
for line in (work / "times").read_text().splitlines():
    name, clock, user, system = line.split()
    runs.setdefault(name, []).append((float(clock), float(user) + float(system)))
median = lambda values: statistics.median(list(values))
for name, times in runs.items():
    cell = json.loads((work / f"{name}.json").read_text())[0]["cells"][0]
    pilot = 4000 if name == "few-images" else 0
    half = (cell["ci"][1] - cell["ci"][0]) / 2
    print(f"{name:10} {cell['trials']:4} trials x {cell['images']:5} images {cell['trials'] * cell['images'] + pilot:8} inferences "
          f"{median(t[0] for t in times):7.3f} s, {median(t[1] for t in times):7.3f} s of CPU time  "
          f"mean {100 * cell['mean']:.2f} % +- {100 * half:.2f}")
for what, at in (("on the clock", 0), ("of CPU time", 1)):
    ratios = [a[at] / f[at] for a, f in zip(runs["all-images"], runs["few-images"])]
    print(f"few images take {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times less {what}")
PYTHON
