#!/usr/bin/env bash
# mpi_test.sh FLATENN MODEL.onnx DATA [KILLS]: runs a campaign with one process, with 2 and 4 ranks of
# mpirun, and with random ranks killed KILLS times (default 5) and gone on with; compares the tables.
# Skips (exit 77) where there is no mpirun, no MPI in this build, no MNIST in DATA.
set -euo pipefail

# shellcheck source=tests/campaign_ranks.sh
source "$(dirname "$0")/campaign_ranks.sh"
flatenn=$(realpath "$1")
model=$(realpath "$2")
export FLATENN_DATA=$3
kills=${4:-5}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
if ! command -v mpirun >/dev/null; then
  echo "skipped: mpirun is not installed"
  exit 77
fi
if [[ ! -e $(dirname "$flatenn")/libflatenn_mpi.so ]]; then
  echo "skipped: this build has no MPI"
  exit 77
fi
if [[ ! -d $FLATENN_DATA/mnist ]]; then
  echo "skipped: MNIST is not in $FLATENN_DATA"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
write_plan ranks "$model"

ranks() { # ranks COUNT ARGUMENTS...
  local count=$1
  shift
  timeout 120 mpirun --oversubscribe -n "$count" "$flatenn" -q campaign --threads 1 "$@"
}

run_whole
for count in 2 4; do
  ranks "$count" plan.toml --db "ranks-$count.db" >/dev/null
  same "ranks-$count"
done

# Random ranks killed at random moments; the same command goes on each time.
RANDOM=7
killed=0
round=0
while ((killed < kills)); do
  round=$((round + 1))
  db=$work/killed-$round.db # the whole path tells this test's ranks from others
  while ((killed < kills)); do
    ranks 3 plan.toml --db "$db" >/dev/null 2>killed.log &
    launcher=$!
    sleep "0.$((RANDOM % 6 + 3))"
    mapfile -t all < <(pgrep -f "campaign --threads 1 plan.toml --db $db" | xargs -r ps -o pid=,comm= -p | awk '$2 == "flatenn" { print $1 }')
    if ((${#all[@]})) && kill -KILL "${all[RANDOM % ${#all[@]}]}" 2>/dev/null; then killed=$((killed + 1)); fi
    if wait "$launcher"; then break; fi
  done
  ranks 3 plan.toml --db "$db" >/dev/null
  same "killed-$round"
done
echo "$killed ranks were killed in $round campaigns"

# Started by another MPI's mpirun each rank would take itself for the only one.
if PMI_SIZE=2 "$flatenn" campaign plan.toml --db other.db --threads 1 >/dev/null 2>other.log; then exit 1; fi
grep -q '2 processes were started, but this one.s MPI sees 1' other.log || { cat other.log && exit 1; }
if "$flatenn" campaign plan.toml --db other.db --threads 1 --mpi >/dev/null 2>other.log; then exit 1; fi
grep -q 'MPI: this process is the only one' other.log || { cat other.log && exit 1; }

# What a rank cannot do is one line, and the others go on.
ranks 6 plan.toml --db few.db --trials 1 --rates 0.01 --kinds bit_flip >/dev/null # more than trials
mpirun --oversubscribe -n 1 "$flatenn" campaign plan.toml --db nodata.db --threads 1 \
  : -n 1 "$flatenn" campaign plan.toml --db nodata.db --threads 1 --data-root "$work/none" \
  : -n 1 "$flatenn" campaign plan.toml --db nodata.db --threads 1 --seed 6 \
  : -n 1 "$flatenn" campaign plan.toml --db nodata.db --threads 1 --engine cuda:63 \
  : -n 1 "$flatenn" campaign plan.toml --db nodata.db --threads 1 --engine cuda:0-1 \
  >/dev/null 2>nodata.log
same nodata
[[ $(grep -c 'takes no part' nodata.log) == 4 ]] || { cat nodata.log && exit 1; }

# So is a rank whose program, library or both are another build's.
version=$("$flatenn" version | grep -o '[0-9]\+\.[0-9]\+\.[0-9]\+' | head -1)
another() { LC_ALL=C sed "s/${version//./\\.}/${version%?}x/g" "$1"; } # of the same length
library=$(dirname "$flatenn")/libflatenn_mpi.so
for build in program library both; do
  mkdir "$build"
  if [[ $build == library ]]; then cat "$flatenn"; else another "$flatenn"; fi >"$build/flatenn"
  if [[ $build == program ]]; then cat "$library"; else another "$library"; fi >"$build/libflatenn_mpi.so"
  chmod +x "$build/flatenn"
  timeout 120 mpirun --oversubscribe -n 1 "$flatenn" campaign plan.toml --db "other-$build.db" --threads 1 \
    : -n 1 "$work/$build/flatenn" campaign plan.toml --db "other-$build.db" --threads 1 \
    : -n 1 "$flatenn" campaign plan.toml --db "other-$build.db" --threads 1 >/dev/null 2>other.log
  same "other-$build"
  [[ $(grep -c "rank 1 on .*: takes no part: .*${version%?}x" other.log) == 1 ]] || { cat other.log && exit 1; }
done
if mpirun --oversubscribe -n 2 "$flatenn" campaign missing.toml --db none.db 2>missing.log; then exit 1; fi
grep -q 'missing.toml' missing.log
