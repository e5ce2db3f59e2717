# awk -f check_includes.awk ARCHITECTURE.md FILES...
#
# Includes point one way: a file below src/FOLDER or include/flatenn/FOLDER includes only its own
# folder and those above it in ARCHITECTURE.md's table, and only some folders include LibTorch.
FILENAME == "ARCHITECTURE.md" {
  if (match($0, /^\| `[a-z]+` \|/)) rank[substr($0, 4, RLENGTH - 6)] = ++count
  next
}
FNR == 1 {
  path = FILENAME
  sub(/^(include\/flatenn|src)\//, "", path)
  folder = path
  sub(/\/.*/, "", folder)
  if (!(folder in rank)) complain("folder " folder " is not in ARCHITECTURE.md")
  may_use_libtorch = path ~ /^(nn|train|analysis|engine\/cuda)\//
}
/^#include [<"](torch|ATen|c10)\// && !may_use_libtorch {
  complain("LibTorch is for nn, train, analysis and engine/cuda only")
}
/^#include "/ {
  included = $2
  gsub(/"/, "", included)
  sub(/^flatenn\//, "", included)
  if (included ~ /\// && sub(/\/.*/, "", included) && rank[included] > rank[folder])
    complain(folder " must not include " included ", which lies below it in ARCHITECTURE.md")
}
function complain(message) {
  print FILENAME ":" FNR ": " message
  bad = 1
}
END { exit bad }
