#pragma once

#include <cstdint>
#include <vector>

#include "study/widen.h"

namespace flatenn::study {

/// Successive halving (Jamieson and Talwalkar, AISTATS 2016, arXiv:1502.07943; a bracket of
/// Hyperband: Li et al., JMLR 18, 2018, arXiv:1603.06560): all candidates train for few epochs, the
/// best 1 / factor of them go on for factor times as many, and so on until the last rung has all
/// epochs.
struct Halving {
  int64_t factor = 0;  ///< 2 or more; 0: one rung for all.
  int64_t rungs = 1;

  /// Epochs that a candidate of the rung has had in all, at least 1; `epochs` in the last rung.
  int64_t epochs_at(int64_t rung, int64_t epochs) const;
};

/// As many rungs as `candidates` fill and leave `least` epochs to the first of them.
Halving plan_halving(int64_t factor, int64_t candidates, int64_t epochs, int64_t least);

/// Which of a rung's candidates go on to the next, best first: 1 / factor of `tried`, rounded down
/// but one at least, never one that diverged; of equals the earlier.
std::vector<size_t> survivors(const std::vector<Tried>& tried, int64_t factor);

}  // namespace flatenn::study
