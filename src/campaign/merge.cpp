#include "flatenn/campaign/merge.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "campaign/settings.h"
#include "flatenn/base/error.h"
#include "flatenn/campaign/plan.h"

namespace flatenn::campaign {
namespace {

using Path = std::filesystem::path;

std::vector<std::string> plan_names(const store::Store& store) {
  std::vector<std::string> names;
  for (const store::PlanRow& plan : store.plans()) names.push_back(plan.name);
  std::sort(names.begin(), names.end());
  return names;
}

/// Where two files mean something else by a plan of one name.
void check_same_meaning(const Path& part, const store::PlanRow& row, const Path& other,
                        const store::PlanRow& held) {
  const auto parse = [](const std::string& text) { return nlohmann::json::parse(text); };
  FLATENN_CHECK(row.fingerprint == held.fingerprint, part.string(), ": plan '", row.name,
                "' means something else than in ", other.string(), ": ",
                describe_difference(parse(held.settings), parse(row.settings)),
                " here; these are no shares of one campaign");
  FLATENN_CHECK(row.version == held.version, part.string(), ": plan '", row.name,
                "' was run by flatenn ", row.version, ", in ", other.string(), " by ", held.version,
                "; run all shares with one version");
  FLATENN_CHECK(row.pilot == held.pilot, part.string(), ": the pilot of plan '", row.name,
                "' says something else than in ", other.string(),
                "; one of the machines computes wrongly");
}

void check_parts(const std::vector<Path>& parts, const Path& out) {
  FLATENN_CHECK(!parts.empty(), "merge: there are no parts to join");
  for (const Path& part : parts) {
    std::error_code none;
    FLATENN_CHECK(!std::filesystem::equivalent(part, out, none), part.string(),
                  ": is the output, and cannot be a part of it");
  }
}

/// A joined file holds all trials there are: what a part's layout says of its share is not so
/// there.
void forget_share(store::Store& out, const std::string& name) {
  const store::PlanRow row = out.find_plan(name).value();
  nlohmann::json layout = nlohmann::json::parse(row.layout);
  if (layout.erase("share") > 0) out.set_layout(row.id, layout.dump());
}

/// The shares that parts tell of: for each number of shares, which of them are here.
using SharesSeen = std::map<int64_t, std::vector<int64_t>>;

MergedPlan look_at(const store::Store& out, const std::string& name, const SharesSeen& seen) {
  MergedPlan plan{.standing = standing_of(out, out.find_plan(name).value())};
  for (const auto& [of, indices] : seen) {
    for (int64_t index = 1; index <= of; ++index) {
      const Share share{index, of};
      const int64_t missing = plan.standing.missing_of(share);
      const bool is_there = std::find(indices.begin(), indices.end(), index) != indices.end();
      if (missing > 0)
        plan.open_shares.push_back({.share = share, .missing = missing, .is_there = is_there});
    }
  }
  return plan;
}

}  // namespace

std::vector<MergedPlan> merge_shares(const std::vector<Path>& parts, const Path& out,
                                     const std::function<void(const MergedPart&)>& merged) {
  check_parts(parts, out);
  using Access = store::Store::Access;
  std::map<std::string, SharesSeen> seen;
  std::vector<std::string> names;
  std::optional<store::Store> into;
  for (const Path& file : parts) {
    const store::Store part = store::Store::open(file, Access::kRead);
    const bool first = !into.has_value();
    if (first) {
      names = plan_names(part);
      FLATENN_CHECK(!names.empty(), file.string(), ": holds no campaigns yet");
      into.emplace(store::Store::open(out, Access::kWrite));
    }
    FLATENN_CHECK(plan_names(part) == names, file.string(), ": holds other plans than ",
                  parts.front().string(), ": these are no shares of one campaign");
    for (const std::string& name : names) {
      const store::PlanRow row = part.find_plan(name).value();
      if (const auto held = into->find_plan(name)) check_same_meaning(file, row, out, *held);
      const std::optional<Share> share = stored_share(row);
      if (share) seen[name][share->of].push_back(share->index);
      const store::MergeCounts counts = store::merge_plan(part, name, *into);
      forget_share(*into, name);
      merged({.file = file, .plan = name, .share = share, .counts = counts});
    }
  }
  into->settle();
  std::vector<MergedPlan> plans;
  for (const std::string& name : names) plans.push_back(look_at(*into, name, seen[name]));
  return plans;
}

}  // namespace flatenn::campaign
