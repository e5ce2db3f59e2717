#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "flatenn/campaign/plan.h"

namespace flatenn::campaign {

/// What a rate's trials say of the accuracy that is to be kept.
enum class Side {
  kUnmeasured,  ///< Nothing final yet.
  kKeeps,       ///< Surely kept.
  kCosts,       ///< Surely lost.
  kUnsure,      ///< All trials there may be do not tell.
};

/// Positions among rising rates between which the tolerable one lies: all measured ones up to
/// `last_kept` surely keep the accuracy, `first_lost` is the lowest that surely does not.
struct Bracket {
  int64_t last_kept = -1;   ///< -1: not even the lowest measured one.
  int64_t first_lost = -1;  ///< sides.size() where there is none.
};
Bracket bracket_of(std::span<const Side> sides);

/// The rates that a search may look at: from 1e-8 to 1, equally many a decade, so close that three
/// neighbours span no more than the factor `within`.
std::vector<Level> search_levels(double within);

/// The rate to measure next, by bisection; none where the bracket spans no more than the factor
/// `within`, or no rate is left between its ends. A function of what was measured alone, so the
/// order of rates does not depend on threads, interruptions or who else works on the plan.
std::optional<int64_t> next_in_search(std::span<const Level> levels, std::span<const Side> sides,
                                      double within);

}  // namespace flatenn::campaign
