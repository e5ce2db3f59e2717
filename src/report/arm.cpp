#include "report/arm.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace flatenn::report {
namespace {

struct RecipeStyle {
  const char* recipe;
  int64_t colour;
  Marker marker;
};

constexpr std::array<RecipeStyle, 5> kRecipeStyles = {{{"sgd", 0, Marker::kCircle},
                                                       {"saq", 1, Marker::kDiamond},
                                                       {"sam", 2, Marker::kSquare},
                                                       {"sgd-2x", 3, Marker::kTriangle},
                                                       {"asaq", 4, Marker::kCross}}};

/// Whether the models named are replicates: every one has a training seed of its own.
bool are_replicates(const campaign::PlanResult& plan, const std::vector<int64_t>& models) {
  std::set<int64_t> seeds;
  for (const int64_t index : models) {
    const auto seed = plan.models[static_cast<size_t>(index)].training_seed();
    if (!seed || !seeds.insert(*seed).second) return false;
  }
  return true;
}

/// "The first seed" is the lowest one, in whatever order the database lists the networks.
void sort_by_seed(const campaign::PlanResult& plan, std::vector<int64_t>& models) {
  const auto seed = [&](int64_t model) {
    return plan.models[static_cast<size_t>(model)].training_seed().value_or(0);
  };
  std::sort(models.begin(), models.end(), [&](int64_t a, int64_t b) { return seed(a) < seed(b); });
}

/// What tables call a network, where an arm is one network; the arm's own name, where it is several
/// or the network is named after it ("saq-sparse-seed1").
std::string arm_name(const campaign::PlanResult& plan, const std::string& arm,
                     const std::vector<int64_t>& models) {
  const std::string title = arm_title(arm);
  const std::string& model = plan.models[static_cast<size_t>(models.front())].name;
  return models.size() > 1 || model.rfind(title, 0) == 0 ? title : model;
}

}  // namespace

std::pair<std::string, std::string> split_arm(const std::string& arm) {
  const size_t slash = arm.find('/');
  if (slash == std::string::npos) return {};
  return {arm.substr(0, slash), arm.substr(slash + 1)};
}

std::string arm_title(const std::string& arm) {
  const auto [recipe, activation] = split_arm(arm);
  return recipe.empty() ? arm : recipe + "-" + activation;
}

Style arm_style(const std::string& recipe, const std::string& activation, int64_t position) {
  const Dash dash = activation == "sparse" ? Dash::kDashed : Dash::kSolid;
  for (const RecipeStyle& style : kRecipeStyles) {
    if (recipe == style.recipe) return {style.colour, dash, style.marker, dash == Dash::kDashed};
  }
  constexpr std::array<Marker, 5> kMarkers = {Marker::kCircle, Marker::kDiamond, Marker::kSquare,
                                              Marker::kTriangle, Marker::kCross};
  return {position, dash, kMarkers[static_cast<size_t>(position) % kMarkers.size()],
          dash == Dash::kDashed};
}

std::vector<Arm> arms_of(const campaign::PlanResult& plan) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<int64_t>> groups;
  for (size_t i = 0; i < plan.models.size(); ++i) {
    const std::string name = plan.models[i].arm();
    if (groups[name].empty()) order.push_back(name);
    groups[name].push_back(static_cast<int64_t>(i));
  }
  std::vector<Arm> arms;
  for (const std::string& name : order) {
    const auto [recipe, activation] = split_arm(name);
    auto& models = groups[name];
    const bool together = !recipe.empty() && are_replicates(plan, models);
    if (together) sort_by_seed(plan, models);
    for (size_t i = 0; i < models.size(); ++i) {
      if (together && i > 0) {
        arms.back().models.push_back(models[i]);
        continue;
      }
      const auto position = static_cast<int64_t>(arms.size());
      // Networks of one recipe that are no replicates would otherwise look alike.
      const bool alike = !together && models.size() > 1;
      const bool alone = together || models.size() == 1;
      arms.push_back({.name = alone && !recipe.empty()
                                  ? arm_name(plan, name, models)
                                  : plan.models[static_cast<size_t>(models[i])].name,
                      .recipe = recipe,
                      .activation = activation,
                      .style = arm_style(alike ? "" : recipe, activation, position),
                      .models = {models[i]}});
    }
  }
  return arms;
}

Estimate over_models(const std::vector<double>& values, const campaign::Interval& own) {
  const campaign::Summary summary = campaign::summarize(values);
  if (values.size() < 2) return {summary.mean, own};
  return {summary.mean, campaign::student_interval(summary.mean, summary.sd, summary.count)};
}

}  // namespace flatenn::report
