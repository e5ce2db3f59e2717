#!/usr/bin/env bash
# Builds the cuda preset, runs the GPU tests and times the engine and the training step, beside PyTorch,
# in one call: for machines that one has for minutes.
#
#     tools/gpu.sh [OUT]      logs go to OUT (default: gpu-out); data sets from $FLATENN_DATA
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-gpu-out}
mkdir -p "$out"
build=build/cuda

nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | tee "$out/card.txt"
cmake --preset cuda >"$out/configure.log"
cmake --build --preset cuda -j "$(nproc)" >"$out/build.log"
ctest --test-dir "$build" -L gpu -j 8 --output-on-failure >"$out/test.log" ||
  { tail -40 "$out/test.log"; exit 1; }
tail -8 "$out/test.log"
"$build/src/engine/cuda/flatenn_cuda_engine_bench" --benchmark_min_time=0.5s 2>/dev/null | tee "$out/engine.txt"

if [[ -x $build/flatenn && -d ${FLATENN_DATA:-}/cifar-10-batches-bin ]]; then
  for kind in sgd saq; do
    for batch in 128 512; do
      run="$out/train-$kind-$batch"
      rm -rf "$run"
      "$build/flatenn" --quiet train configs/cifar10-resnet18-w4a4-sgd-standard.toml --device cuda --out "$run" \
        --set warm_start.run= "optimizer.kind=$kind" sharpness.rho=0.05 train.epochs=3 "train.batch_size=$batch"
    done
  done
fi
python3 bench/resnet18_training.py | tee "$out/pytorch.txt"
