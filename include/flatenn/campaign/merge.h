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
  std::vector<OpenShare> open_shares;  ///< Of the shares that the parts tell of.
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
/// Throws Error, with nothing merged, where there is no part, where a part is `out` itself, holds
/// other plans than the first, means something else by one, or was run by another version, in part
/// too; and, with the parts before it merged, where one differs in a trial that `out` holds.
std::vector<MergedPlan> merge_shares(const std::vector<std::filesystem::path>& parts,
                                     const std::filesystem::path& out,
                                     const std::function<void(const MergedPart&)>& merged);

}  // namespace flatenn::campaign
