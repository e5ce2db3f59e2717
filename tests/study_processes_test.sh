#!/usr/bin/env bash
# study_processes_test.sh FLATENN DATA: a small study by one process, and by three at once of which two are
# killed; compares networks and tables, and counts who trained what. Skips (exit 77) without MNIST in DATA.
set -euo pipefail
flatenn=$(realpath "$1")
export FLATENN_DATA=$2
if [[ ! -d $FLATENN_DATA/mnist ]]; then
  echo "skipped: MNIST is not in $FLATENN_DATA"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

study() { # study FOLDER
  "$flatenn" study lenet5 --data mnist --out "$1" --epochs 2 --warm-epochs 1 --trials 2 --seeds 2 \
    --arms sgd-standard,saq-sparse --analysis off --jobs 1 \
    --set data.train_images=2560 --set data.test_images=300 --set train.threads=1 \
    --warm-set data.train_images=2560 --warm-set data.test_images=300 --warm-set train.threads=1
}

study alone >/dev/null 2>alone.log
for process in 1 2 3; do
  study together >/dev/null 2>"together-$process.log" &
  processes[process]=$!
done
killed=0
for process in 1 2; do
  # In the middle of a training of its own.
  until grep -q "is trained here" "together-$process.log" || ! kill -0 "${processes[process]}" 2>/dev/null; do sleep 0.1; done
  sleep 0.2
  if kill -KILL "${processes[process]}" 2>/dev/null; then killed=$((killed + 1)); fi
done
wait "${processes[3]}"
study together >/dev/null 2>together-after.log # nothing is left to do

for run in alone/runs/*/; do
  name=$(basename "$run")
  if [[ -e $run/model.onnx ]]; then cmp "$run/model.onnx" "together/runs/$name/model.onnx"; fi
  trained=$(cat together-*.log | grep -c " $name: is trained here" || true)
  ((trained >= 1 && trained <= 1 + killed)) || { echo "$name: trained $trained times, $killed kills" && exit 1; }
done
if grep -q "is trained here" together-after.log; then echo "a network was trained again" && exit 1; fi
total=$(cat together-*.log | grep -c "is trained here")
((total <= $(grep -c "is trained here" alone.log) + killed)) || { echo "$total trainings" && exit 1; }
for folder in alone together; do "$flatenn" results "$folder/campaign.db" --csv | sort >"$folder.csv"; done
diff alone.csv together.csv >/dev/null || { echo "the tables differ" && exit 1; }
echo "identical after $killed kills: $total trainings of $(grep -c "is trained here" alone.log)"
