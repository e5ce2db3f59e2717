#include "report/merge_plans.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace flatenn::report {
namespace {

using campaign::PlanResult;

nlohmann::json settings_without_models(const PlanResult& plan) {
  auto settings = nlohmann::json::parse(plan.settings_json, nullptr, /*allow_exceptions=*/false);
  if (settings.is_object()) settings.erase("models");
  return settings;
}

bool same_question(const PlanResult& a, const PlanResult& b) {
  return !a.single_fault && !b.single_fault && a.seed == b.seed &&
         a.dataset_hash == b.dataset_hash && a.dataset_images == b.dataset_images &&
         a.kinds == b.kinds && a.levels.size() == b.levels.size() &&
         settings_without_models(a) == settings_without_models(b);
}

bool shares_a_model(const PlanResult& a, const PlanResult& b) {
  return std::any_of(a.models.begin(), a.models.end(), [&](const auto& model) {
    return std::any_of(b.models.begin(), b.models.end(),
                       [&](const auto& other) { return other.name == model.name; });
  });
}

/// The words two names begin with; `a` where there are none.
std::string common_name(const std::string& a, const std::string& b) {
  constexpr const char* kSeparators = " :-/_";
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  std::string name(a.begin(), end);
  if (end != a.end()) name.resize(std::min(name.size(), name.find_last_of(kSeparators)));
  const size_t last = name.find_last_not_of(kSeparators);
  return last == std::string::npos ? a : name.substr(0, last + 1);
}

void add_pairs_across(PlanResult& plan, int64_t first_new) {
  const auto models = static_cast<int64_t>(plan.models.size());
  const auto seed = [&](int64_t model) {
    return plan.models[static_cast<size_t>(model)].training_seed();
  };
  for (const campaign::CellResult& cell : plan.cells) {
    if (cell.model >= first_new) continue;
    for (int64_t other = first_new; other < models; ++other) {
      const campaign::CellResult* second = plan.cell(other, cell.kind, cell.level);
      if (seed(cell.model) == seed(other) && second != nullptr && !cell.stratified())
        plan.pairs.push_back(campaign::compare_cells(cell, *second));
    }
  }
}

void append(PlanResult& into, const PlanResult& plan) {
  const auto first_new = static_cast<int64_t>(into.models.size());
  into.name = common_name(into.name, plan.name);
  into.models.insert(into.models.end(), plan.models.begin(), plan.models.end());
  for (campaign::CellResult cell : plan.cells) {
    cell.model += first_new;
    into.cells.push_back(std::move(cell));
  }
  for (campaign::ToleranceResult tolerance : plan.tolerances) {
    tolerance.model += first_new;
    into.tolerances.push_back(tolerance);
  }
  for (campaign::PairResult pair : plan.pairs) {
    pair.model_a += first_new;
    pair.model_b += first_new;
    into.pairs.push_back(pair);
  }
  add_pairs_across(into, first_new);
}

}  // namespace

std::vector<PlanResult> merge_plans(std::vector<PlanResult> plans) {
  std::vector<PlanResult> merged;
  for (PlanResult& plan : plans) {
    const auto partner = std::find_if(merged.begin(), merged.end(), [&](const PlanResult& other) {
      return same_question(other, plan) && !shares_a_model(other, plan);
    });
    if (partner == merged.end()) {
      merged.push_back(std::move(plan));
    } else {
      append(*partner, plan);
      campaign::adjust_pairs(partner->pairs);
    }
  }
  return merged;
}

}  // namespace flatenn::report
