#!/usr/bin/env bash
# nothing_left_test.sh FLATENN MODEL.onnx DATA: runs every command that takes a device, an engine or
# data with ones that are not there; each says so in one line, and makes no file or folder.
# Skips (exit 77) where MNIST is not in DATA or the build cannot train.
set -euo pipefail

flatenn=$(realpath "$1")
model=$(realpath "$2")
export FLATENN_DATA=$3
source=$(realpath "$(dirname "$0")/..")
if [[ ! -d $FLATENN_DATA/mnist ]]; then
  echo "skipped: MNIST is not in $FLATENN_DATA"
  exit 77
fi
if [[ ! -e $(dirname "$flatenn")/flatenn-torch ]]; then
  echo "skipped: this build cannot train"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
config=$source/configs/lenet5-fashion-mnist.toml
mkdir "$work/here"
cd "$work/here"
tried=()

refused() { # refused SIGN COMMAND ARGUMENTS...: fails in one line with SIGN in it, and leaves nothing
  local sign=$1 log=$work/log
  shift
  tried+=("$1 $*")
  if "$flatenn" -q "$@" >/dev/null 2>"$log"; then echo "NOT REFUSED: $*" && exit 1; fi
  if [[ $(wc -l <"$log") != 1 ]] || ! grep -q "^error: .*$sign" "$log"; then
    echo "WANTED ONE LINE WITH '$sign': $*" && cat "$log" && exit 1
  fi
  if [[ -n $(ls -A) ]]; then echo "LEFT BEHIND: $*" && find . && exit 1; fi
  echo "leaves nothing: $*"
}

no_gpu='cuda\|CUDA'
campaign=(--model "$model" --data mnist --trials 1 --db new.db)
refused "$no_gpu" campaign "${campaign[@]}" --engine cuda:63
refused "$no_gpu" campaign plan "${campaign[@]}" --engine cuda:63
refused "$no_gpu" train "$config" --out new --device cuda:63
refused "$no_gpu" harden "$model" --data mnist --out new --device cuda:63
refused "$no_gpu" study lenet5 --out new --device cuda:63
refused "$no_gpu" study regimes-lenet5 --out new --device cuda:63
refused "$no_gpu" eval "$model" --data mnist --images 10 --engine cuda:63
refused "$no_gpu" bench --engine cuda:63
refused "$no_gpu" cost "$model" --data mnist --images 10 --hardware dense --out new --engine cuda:63
for command in sensitivity sharpness landscape; do
  refused "$no_gpu" "$command" "$model" --data mnist --images 10 --out new --device cuda:63
done
for command in sensitivity sharpness; do
  refused "$no_gpu" "$command" "$model" --data mnist --images 10 --out new --engine cuda:63
done

no_data='is not here'
refused "$no_data" campaign "${campaign[@]}" --data-root none
refused "$no_data" campaign plan "${campaign[@]}" --data-root none
refused "$no_data" train "$config" --out new --data-root none
refused "$no_data" harden "$model" --data mnist --out new --data-root none
refused "$no_data" study lenet5 --out new --data-root none
refused "$no_data" study regimes-lenet5 --out new --data-root none
refused "$no_data" eval "$model" --data mnist --data-root none
refused "$no_data" cost "$model" --data mnist --hardware dense --out new --data-root none
for command in sensitivity sharpness landscape; do
  refused "$no_data" "$command" "$model" --data mnist --out new --data-root none
done
refused "$no_data" import "$source/tests/calibration/models/lenet.onnx" -o new.onnx --calibrate mnist --data-root none

# What a plan asks for and cannot have.
refused 'has no shares' campaign "${campaign[@]}" --find-tolerable 0.01 --share 1/2
refused 'more than the' campaign "${campaign[@]}" --images 10001
refused 'fixed by its strata' campaign plan --model "$model" --data mnist --single-fault sampled --db new.db
refused 'missing.toml' harden "$model" --data mnist --out new --plan missing.toml
refused "'none'" study lenet5 --out new --arms none

# A command that comes to take one of these options belongs above.
commands=$(sed -n 's/^FLATENN_\(TORCH_\)\?COMMAND(\(.*\))$/\2/p' "$source/src/cli/commands.inc")
for command in $commands; do
  help=$("$flatenn" "$command" --help)
  for option in --device --engine --data-root; do
    [[ $help == *"$option "* ]] || continue
    printf '%s\n' "${tried[@]}" | grep -q "^$command .*$option" || { echo "NOT TRIED: $command $option" && exit 1; }
  done
done
