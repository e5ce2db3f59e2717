#!/usr/bin/env bash
# reproducibility.sh FLATENN MODEL [OTHER_FLATENN...]: one plan, run in every way that must not matter
# (threads, engine, instruction set, interruptions, other builds of the program), gives byte-identical
# tables. Needs MNIST in the data root (else exit 77). docs/methods.md says what is promised.
set -uo pipefail
flatenn=$(realpath "$1")
model=$(realpath "$2")
shift 2
others=()
for program in "$@"; do others+=("$(realpath "$program")"); done
data=${FLATENN_DATA:-$HOME/.cache/flatenn/data}
if [[ ! -d $data/mnist ]]; then
  echo "skipped: MNIST is not in $data"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cat >plan.toml <<END
models = ["$model"]
data = "mnist"
first_images = 300
kinds = ["bit_flip", "stuck_at_1"]
rates = [0.0001, 0.01, 0.2]
trials = 12
seed = 5
END

# run NAME PROGRAM OPTIONS...: runs the plan and keeps its tables.
run() {
  local name=$1 program=$2
  shift 2
  "$program" --quiet campaign plan.toml --db "$name.db" "$@" >/dev/null 2>"$name.log" || {
    echo "$name: failed: $(tail -1 "$name.log")"
    exit 1
  }
  tables "$name" "$program"
}

# All numbers of the results; times, paths and engines are not among them.
tables() {
  "$2" results "$1.db" --csv >"$1.csv" && "$2" results "$1.db" --json |
    grep -vE '"(created|finished|plan_file)":' >"$1.json"
}

failed=0
same() {
  if cmp -s one.csv "$1.csv" && cmp -s one.json "$1.json"; then
    echo "identical: $1"
  else
    echo "DIFFERS: $1"
    failed=1
  fi
}

run one "$flatenn" --threads 1
for threads in 2 4; do
  run "threads-$threads" "$flatenn" --threads "$threads"
  same "threads-$threads"
done
for engine in reference lanes onednn; do
  run "engine-$engine" "$flatenn" --engine "$engine" --threads 2
  same "engine-$engine"
done
for isa in baseline avx2 avx512vnni amx; do
  FLATENN_MAX_ISA=$isa run "isa-$isa" "$flatenn" --threads 2
  same "isa-$isa"
done
for seconds in 0.05 0.1 0.2 0.4 0.8; do # killed at some moment, and gone on with
  { timeout -s KILL $seconds "$flatenn" --quiet campaign plan.toml --db resumed.db --threads 2; } >/dev/null 2>&1
done
run resumed "$flatenn" --threads 4
same resumed
number=0
for program in "${others[@]}"; do
  number=$((number + 1))
  run "build-$number" "$program" --threads 2
  same "build-$number"
done
exit $failed
