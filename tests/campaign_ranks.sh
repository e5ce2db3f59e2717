# campaign_ranks.sh: what the tests of campaigns over MPI share; sourced, not run.
# shellcheck shell=bash

write_plan() { # write_plan NAME MODEL: plan.toml here, of TRIALS (300) trials a cell
  cat >plan.toml <<END
name = "$1"
models = ["$2"]
data = "mnist"
first_images = 500
kinds = ["bit_flip", "stuck_at_1"]
rates = [0.0001, 0.01]
trials = ${TRIALS:-300}
seed = 5
END
}

run_whole() { # one process's campaign, which all others are compared with
  "${flatenn:?}" -q campaign plan.toml --db whole.db --threads 2 >/dev/null
  "$flatenn" results whole.db --csv >whole.csv
}

same() { # same NAME: its table is one process's
  "$flatenn" results "$1.db" --csv >"$1.csv"
  diff whole.csv "$1.csv" >/dev/null || { echo "DIFFERS: $1" && exit 1; }
  echo "identical: $1"
}
