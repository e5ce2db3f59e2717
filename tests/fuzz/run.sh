#!/usr/bin/env bash
# run.sh BUILD SECONDS [READER...]: libFuzzer over every reader (or those named), so many seconds each.
# BUILD is the folder of preset fuzz. The corpus grows in BUILD/corpus; inputs that crash, leak, take
# more than 10 s or 1 GB are kept in BUILD/findings, and the script ends with 1.
set -uo pipefail
build=$(realpath "$1")
seconds=$2
shift 2
mkdir -p "$build/findings"
failed=0
for program in "$build"/tests/fuzz/fuzz_*; do
  name=${program##*/fuzz_}
  [[ -x $program && ( $# == 0 || " $* " == *" $name "* ) ]] || continue
  log=$build/findings/$name.log
  FUZZ_SEEDS=$build/corpus/$name "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=262144 \
    -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" >"$log" 2>&1
  status=$?
  printf '%-12s exit %d  %s\n' "$name" "$status" "$(grep -E '^(Done|SUMMARY|#[0-9]+.*DONE)' "$log" | tail -1)"
  ((status == 0)) || failed=1
done
exit $failed
