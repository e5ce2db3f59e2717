#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flatenn::study {

/// A candidate of a search that has its score.
struct Tried {
  std::string setting;  ///< One or several "key=value".
  double score = 0;
  bool diverged = false;
};

/// The one with the highest score, the first of equals; null where all diverged.
const Tried* best_of(const std::vector<Tried>& tried);

/// Keys of the best candidate whose value is the least or the greatest that was tried. Only keys
/// that can be widened (docs/study.md lists them) and of which several values were tried.
std::vector<std::string> keys_at_edge(const std::vector<Tried>& tried);

/// What to try next, at most `count`: for each key at an edge, the best candidate with this key one
/// step further out, by a factor of 2 or sqrt(10). Where none is, the best one with a key half-way,
/// by ratio, to the neighbour that is furthest. Depends on its arguments alone. Empty where nothing
/// is left to try.
std::vector<std::string> propose(const std::vector<Tried>& tried, int64_t count);

}  // namespace flatenn::study
