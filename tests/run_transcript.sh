#!/usr/bin/env bash
# run_transcript.sh FLATENN TRANSCRIPT: runs a transcript's commands and compares what they print.
#
# A transcript begins with comments ("# ..."), then holds command lines ("$ flatenn ...") each
# followed by what it prints, stdout and stderr together, and by "[exit N]" where N is not 0.
# Commands run in bash, one after the other in one empty folder ($WORK, also shown as $WORK in what
# they print), with their own HOME and data root. "# needs: mnist" skips (exit 77) where MNIST is not
# in the caller's data root, which commands find as $DATA. UPDATE=1 rewrites the transcript.
set -uo pipefail

flatenn=$(realpath "$1")
transcript=$(realpath "$2")
export DATA=${FLATENN_DATA:-$HOME/.cache/flatenn/data}
if grep -q '^# needs: mnist' "$transcript" && [[ ! -d $DATA/mnist ]]; then
  echo "skipped: MNIST is not in $DATA"
  exit 77
fi

WORK=$(mktemp -d)
got=$(mktemp)
trap 'rm -rf "$WORK" "$got"' EXIT
export WORK HOME=$WORK FLATENN_DATA=$WORK/data LC_ALL=C.UTF-8 TERM=dumb
PATH=$(dirname "$flatenn"):$PATH
cd "$WORK" || exit 1

run() {
  # shellcheck disable=SC1003  # sed ends a last line that lacks its end
  bash -c "$1" </dev/null 2>&1 | sed -e "s|$WORK|\$WORK|g" -e '$a\'
  local status=${PIPESTATUS[0]}
  ((status == 0)) || echo "[exit $status]"
}

head=1
while IFS= read -r line; do
  if [[ $line == '$ '* ]]; then
    head=0
    echo "$line"
    run "${line#'$ '}"
  elif ((head)); then
    echo "$line"
  fi
done <"$transcript" >"$got"

if [[ -n ${UPDATE:-} ]]; then
  cp "$got" "$transcript"
elif ! diff -u --label expected --label got "$transcript" "$got"; then
  echo "If the new output is right: UPDATE=1 $0 $1 $2"
  exit 1
fi
