#!/usr/bin/env bash
# embed_test.sh BUILD EXAMPLE MODEL: installs the build into an empty folder, builds the example
# against it with find_package alone, and runs it.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cmake --install "$1" --prefix "$scratch/prefix" >"$scratch/log"
cmake -S "$2" -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$scratch/prefix" >>"$scratch/log" || { cat "$scratch/log"; exit 1; }
cmake --build "$scratch/build" >>"$scratch/log" || { cat "$scratch/log"; exit 1; }
status=0
"$scratch/build/embed" 2>"$scratch/usage" || status=$?  # without a model
((status == 2)) && grep -q usage "$scratch/usage"
"$scratch/build/embed" "$3" | tee "$scratch/said"
# LeNet-5 has 61,470 weights, here of 4 bits. At 1 % about 2,459 bits are faulty, give or take 250
# (five standard deviations), and a part of them was 1 before.
read -r bits _ _ faults _ changed _ < <(tr -d , <"$scratch/said")
((bits == 245880 && faults > 2209 && faults < 2709 && changed > 0 && changed < faults))
"$scratch/prefix/bin/flatenn" version
share=$scratch/prefix/share
test -s "$share/man/man1/flatenn-campaign.1" -a -s "$share/bash-completion/completions/flatenn"
test -s "$share/zsh/vendor-completions/_flatenn" -a -s "$share/fish/vendor_completions.d/flatenn.fish"
"$scratch/prefix/bin/flatenn" --help >"$scratch/help"  # by flatenn-torch, where there is one
