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

/// A plan that one version began may have been gone on with by another.
void check_runs(const Path& part, const store::Store& store, const store::PlanRow& row) {
  for (const store::RunRow& run : store.runs(row.id)) {
    FLATENN_CHECK(run.trials == 0 || run.version == row.version, part.string(), ": plan '",
                  row.name, "' was begun by flatenn ", row.version, ", and ", run.trials,
                  " of its trials were run by ", run.version,
                  "; run all of a campaign with one version");
  }
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

void check_paths(const std::vector<Path>& parts, const Path& out) {
  FLATENN_CHECK(!parts.empty(), "merge: there are no parts to join");
  for (const Path& part : parts) {
    std::error_code none;
    FLATENN_CHECK(!std::filesystem::equivalent(part, out, none), part.string(),
                  ": is the output, and cannot be a part of it");
  }
}

/// Looks at all parts before the first is merged, so that what is no share of the campaign leaves
/// no half of it behind. Gives the names of its plans.
std::vector<std::string> check_parts(const std::vector<Path>& parts) {
  std::map<std::string, store::PlanRow> first;
  std::vector<std::string> names;
  for (const Path& file : parts) {
    const store::Store part = store::Store::open(file, store::Store::Access::kRead);
    if (names.empty()) names = plan_names(part);
    FLATENN_CHECK(!names.empty(), file.string(), ": holds no campaigns yet");
    FLATENN_CHECK(plan_names(part) == names, file.string(), ": holds other plans than ",
                  parts.front().string(), ": these are no shares of one campaign");
    for (const std::string& name : names) {
      const store::PlanRow row = part.find_plan(name).value();
      check_same_meaning(file, row, parts.front(), first.try_emplace(name, row).first->second);
      check_runs(file, part, row);
    }
  }
  return names;
}

/// The joined file, made where it is not there; its plans mean what those of a part mean.
store::Store open_output(const Path& out, const Path& part, const std::vector<std::string>& names) {
  store::Store into = store::Store::open(out, store::Store::Access::kWrite);
  const store::Store other = store::Store::open(part, store::Store::Access::kRead);
  for (const std::string& name : names) {
    const auto held = into.find_plan(name);
    if (!held) continue;
    check_same_meaning(part, other.find_plan(name).value(), out, *held);
    check_runs(out, into, *held);
  }
  return into;
}

/// A joined file holds all trials there are: what a part's layout says of its share is not so
/// there.
void forget_share(store::Store& out, const std::string& name) {
  const store::PlanRow row = out.find_plan(name).value();
  nlohmann::json layout = nlohmann::json::parse(row.layout);
  if (layout.erase("share") > 0) out.set_layout(row.id, layout.dump());
}

/// `seen`: the shares that parts are.
MergedPlan look_at(const store::Store& out, const std::string& name,
                   const std::vector<Share>& seen) {
  MergedPlan plan{.standing = standing_of(out, out.find_plan(name).value())};
  plan.standing.shares = seen;
  plan.open_shares = open_shares(plan.standing);
  return plan;
}

}  // namespace

std::vector<MergedPlan> merge_shares(const std::vector<Path>& parts, const Path& out,
                                     const std::function<void(const MergedPart&)>& merged) {
  check_paths(parts, out);
  const std::vector<std::string> names = check_parts(parts);
  store::Store into = open_output(out, parts.front(), names);
  std::map<std::string, std::vector<Share>> seen;
  for (const Path& file : parts) {
    const store::Store part = store::Store::open(file, store::Store::Access::kRead);
    for (const std::string& name : names) {
      const store::PlanRow row = part.find_plan(name).value();
      const std::optional<Share> share = stored_share(row);
      if (share) seen[name].push_back(*share);
      const store::MergeCounts counts = store::merge_plan(part, name, into);
      forget_share(into, name);
      merged({.file = file, .plan = name, .share = share, .counts = counts});
    }
  }
  into.settle();
  std::vector<MergedPlan> plans;
  for (const std::string& name : names) plans.push_back(look_at(into, name, seen[name]));
  return plans;
}

}  // namespace flatenn::campaign
