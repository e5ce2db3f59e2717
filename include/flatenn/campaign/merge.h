#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/campaign/share.h"
#include "flatenn/campaign/standing.h"
#include "flatenn/store/merge.h"

namespace flatenn::campaign {

/// One plan of a joined file, and what is still to run of it.
struct MergedPlan {
  PlanStanding standing;
  /// Shares of those that the parts tell of that lack trials, with how many.
  struct OpenShare {
    Share share;
    int64_t missing = 0;
    bool is_there = false;  ///< One of the parts is this share.
  };
  std::vector<OpenShare> open_shares;
};

/// What a part brought.
struct MergedPart {
  std::filesystem::path file;
  std::string plan;
  std::optional<Share> share;
  store::MergeCounts counts;
};

/// Joins the result files of shares into `out`, which is made where it is not there, one part after
/// the other. The order of parts, merging again, and going on after an interruption change no
/// result. Stop rules are applied to what is together now.
///
/// Throws Error where there is no part, where a part is `out` itself, holds other plans than the
/// first, means something else by one, was run by another version, or differs in a trial that both
/// hold; parts before it are merged.
std::vector<MergedPlan> merge_shares(const std::vector<std::filesystem::path>& parts,
                                     const std::filesystem::path& out,
                                     const std::function<void(const MergedPart&)>& merged);

}  // namespace flatenn::campaign
