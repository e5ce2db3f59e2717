#include <algorithm>

#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

const Arm* find_arm(const std::vector<Arm>& arms, const std::string& recipe,
                    const std::string& activation) {
  const auto found = std::find_if(arms.begin(), arms.end(), [&](const Arm& arm) {
    return arm.recipe == recipe && arm.activation == activation;
  });
  return found == arms.end() ? nullptr : &*found;
}

}  // namespace

std::string plan_prefix(const Findings& findings, const campaign::PlanResult& plan) {
  return findings.plans.size() < 2 ? "" : plan.name + ": ";
}

std::string plan_id(const Findings& findings, const campaign::PlanResult& plan,
                    const std::string& base) {
  if (findings.plans.empty() || &plan == &findings.plans.front()) return base;
  const auto position = static_cast<int64_t>(&plan - findings.plans.data());
  return base + "-" + slug(plan.name) + "-" + std::to_string(position);
}

std::optional<campaign::PairResult> oriented_pair(const campaign::PlanResult& plan, int64_t better,
                                                  int64_t worse, int64_t kind, int64_t level) {
  for (campaign::PairResult pair : plan.pairs) {
    if (pair.kind != kind || pair.level != level) continue;
    if (pair.model_a == worse && pair.model_b == better) return pair;
    if (pair.model_a != better || pair.model_b != worse) continue;
    std::swap(pair.model_a, pair.model_b);
    pair.difference = -pair.difference;
    pair.ci = {-pair.ci.high, -pair.ci.low};
    return pair;
  }
  return std::nullopt;
}

std::vector<Comparison> recipe_comparisons(const std::vector<Arm>& arms) {
  std::vector<Comparison> comparisons;
  bool any_recipe = false;
  for (const Arm& arm : arms) {
    any_recipe = any_recipe || !arm.recipe.empty();
    const Arm* base = find_arm(arms, "sgd", arm.activation);
    if (arm.recipe.empty() || arm.recipe == "sgd" || base == nullptr) continue;
    comparisons.push_back({arm.recipe + " − sgd, " + arm.activation, arm, *base});
  }
  if (any_recipe) return comparisons;
  for (size_t i = 1; i < arms.size(); ++i) {
    comparisons.push_back({arms[i].name + " − " + arms[0].name, arms[i], arms[0]});
  }
  return comparisons;
}

std::vector<Comparison> activation_comparisons(const std::vector<Arm>& arms) {
  std::vector<Comparison> comparisons;
  for (const Arm& arm : arms) {
    const Arm* standard = find_arm(arms, arm.recipe, "standard");
    if (arm.recipe.empty() || arm.activation != "sparse" || standard == nullptr) continue;
    comparisons.push_back({"standard − sparse, " + arm.recipe, *standard, arm});
  }
  return comparisons;
}

}  // namespace flatenn::report
