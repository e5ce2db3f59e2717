#!/usr/bin/env bash
# run_transcript.sh FLATENN TRANSCRIPT: runs a transcript's commands and compares what they print.
#
# A transcript begins with comments ("# ..."), then holds command lines ("$ flatenn ...") each
# followed by what it prints, stdout and stderr together, and by "[exit N]" where N is not 0.
# Commands run in bash, one after the other in one empty folder ($WORK, also shown as $WORK in what
# they print), with their own HOME and data root. "# needs: mnist" skips (exit 77) where MNIST is not
# in the caller's data root, which commands find as $DATA. What varies from run to run, such as a
# time, stands as {{an extended regular expression}} in the expected line. UPDATE=1 rewrites the
# transcript, save lines whose expressions still match.
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

# matches EXPECTED GOT: whether GOT is EXPECTED with its expressions filled in.
matches() {
  local rest=$1 pattern='^' literal
  while [[ $rest == *'{{'*'}}'* ]]; do
    literal=${rest%%'{{'*}
    rest=${rest#*'{{'}
    pattern+=$(escaped "$literal")"(${rest%%'}}'*})"
    rest=${rest#*'}}'}
  done
  pattern+=$(escaped "$rest")'$'
  [[ $2 =~ $pattern ]]
}
# shellcheck disable=SC2001  # a pattern, not a string
escaped() { sed 's/[][(){}.*+?^$|\\]/\\&/g' <<<"$1"; }

# Puts expected lines with expressions in the place of got ones that match them.
with_expressions() {
  local expected line
  while IFS= read -r line; do
    IFS= read -r expected <&3 || expected=
    if [[ $expected == *'{{'* ]] && matches "$expected" "$line"; then line=$expected; fi
    printf '%s\n' "$line"
  done 3<"$transcript"
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
done <"$transcript" | with_expressions >"$got"

if [[ -n ${UPDATE:-} ]]; then
  cp "$got" "$transcript"
elif ! diff -u --label expected --label got "$transcript" "$got"; then
  echo "If the new output is right: UPDATE=1 $0 $1 $2"
  exit 1
fi
