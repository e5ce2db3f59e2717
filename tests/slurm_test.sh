#!/usr/bin/env bash
# slurm_test.sh FLATENN MODEL.onnx DATA: runs a campaign as a job array on this machine's Slurm, with
# one share sent back into the queue and one cancelled on the way, and compares the joined table
# with one process's. Skips (exit 77) where there is no Slurm, no MNIST in DATA.
set -euo pipefail

flatenn=$(realpath "$1")
model=$(realpath "$2")
export FLATENN_DATA=$3
if ! command -v sbatch >/dev/null; then
  echo "skipped: Slurm (sbatch) is not installed"
  exit 77
fi
if ! timeout 10 sinfo --noheader --states=idle,mixed,allocated 2>/dev/null | grep -q .; then
  echo "skipped: Slurm has no machine that runs jobs"
  exit 77
fi
if [[ ! -d $FLATENN_DATA/mnist ]]; then
  echo "skipped: MNIST is not in $FLATENN_DATA"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >plan.toml <<EOF
name = "array"
models = ["$model"]
data = "mnist"
first_images = 5000
rates = [0.001, 0.01]
trials = 3000
seed = 3
EOF
"$flatenn" -q campaign plan.toml --db whole.db >/dev/null
"$flatenn" results whole.db >whole.txt

submitted=$("$flatenn" slurm plan.toml --nodes 4 --cpus 1 --time 0:10:00 --submit)
job=${submitted##* }
trap 'scancel "$job" 2>/dev/null || true; rm -rf "$work"' EXIT

state() { scontrol show job "${job}_$1" 2>/dev/null | grep -o 'JobState=[A-Z]*' | head -1; }
until_running() {
  for ((i = 0; i < 300; ++i)); do
    if [[ -s array-shares/part-$1.db && $(state "$1") == JobState=RUNNING ]]; then return; fi
    sleep 0.1
  done
  echo "share $1 did not start within 30 s: $(state "$1")"
  exit 1
}

# scancel tries again for long where the job has left its place meanwhile, as a requeued one has;
# what the signal did shows below.
signal() { timeout 5 scancel "$@" 2>/dev/null || true; }

until_running 1
signal --batch --signal=USR1 "${job}_1" # what Slurm sends when the time is nearly up
until_running 2
signal "${job}_2"
for ((i = 0; i < 1200; ++i)); do # a share that was sent back waits a minute or two
  waiting=$(squeue --noheader --job "$job" | wc -l)
  if ((waiting == 0)); then break; fi
  sleep 0.25
done
((waiting == 0)) || { echo "the array is not through:"; squeue; exit 1; }

grep -q 'going into the queue again' array-shares/share-1.log ||
  { echo "share 1 was not sent back:"; cat array-shares/share-1.log; exit 1; }
code=0
"$flatenn" merge array-shares/part-*.db -o joined.db >merged.txt || code=$?
cat merged.txt
if ((code == 3)); then # the cancelled share had more to run
  grep -q 'share 2/4 ' merged.txt
  if grep -Eq 'share [134]/4 ' merged.txt; then exit 1; fi
  "$flatenn" -q campaign plan.toml --db array-shares/part-2.db --share 2/4
  "$flatenn" merge array-shares/part-*.db -o joined.db
elif ((code != 0)); then
  exit "$code"
fi
"$flatenn" results joined.db >joined.txt
diff whole.txt joined.txt
echo "the joined table is one process's"
