#include "study/grid_cells.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::study {
namespace {

constexpr const char* kAny = "*";

struct Pattern {
  std::string recipe, activation;
};

/// "saq-*" is any activation of saq, "*-sparse75" any recipe.
Pattern pattern_of(const std::string& text) {
  const size_t dash = text.rfind('-');
  if (dash == std::string::npos) return {text, ""};
  return {text.substr(0, dash), text.substr(dash + 1)};
}

bool fits(const Pattern& pattern, const GridArm& arm) {
  return (pattern.recipe == kAny || pattern.recipe == arm.recipe) &&
         (pattern.activation == kAny || pattern.activation == activation_name(arm.sparsity));
}

/// A star on both sides stands for one value.
bool agree(const std::string& pattern_a, const std::string& pattern_b, const std::string& a,
           const std::string& b) {
  return pattern_a != kAny || pattern_b != kAny || a == b;
}

template <typename Items, typename Name>
std::vector<std::string> names(const Items& items, Name name) {
  std::vector<std::string> all;
  for (const auto& item : items) all.push_back(name(item));
  return all;
}

}  // namespace

std::string GridArm::name() const { return recipe + "-" + activation_name(sparsity); }

std::string activation_name(const std::string& sparsity) {
  return sparsity == kNoSparsity ? "standard" : "sparse" + sparsity;
}

std::vector<GridArm> arms_of(const Grid& grid) {
  std::vector<GridArm> arms;
  for (const std::string& sparsity : grid.sparsities) {
    for (const std::string& recipe : grid.recipes) arms.push_back({recipe, sparsity});
  }
  return arms;
}

std::string arm_names(const Grid& grid) {
  std::string text;
  for (const GridArm& arm : arms_of(grid)) text += (text.empty() ? "" : ", ") + arm.name();
  return text;
}

std::vector<ArmPair> compared_arms(const Grid& grid, const GridComparison& comparison) {
  const Pattern better = pattern_of(comparison.better), worse = pattern_of(comparison.worse);
  std::vector<ArmPair> pairs;
  for (const GridArm& a : arms_of(grid)) {
    for (const GridArm& b : arms_of(grid)) {
      if (fits(better, a) && fits(worse, b) && a.name() != b.name() &&
          agree(better.recipe, worse.recipe, a.recipe, b.recipe) &&
          agree(better.activation, worse.activation, a.sparsity, b.sparsity))
        pairs.push_back({a, b});
    }
  }
  return pairs;
}

std::string rate_text(double rate) { return detail::concat(rate); }

std::vector<std::pair<std::string, std::vector<std::string>>> axes_of(const Grid& grid) {
  return {{"networks", names(grid.networks, [](const GridNetwork& n) { return n.name; })},
          {"bits", grid.bits},
          {"first_last", grid.first_last},
          {"quantizers", grid.quantizers},
          {"sparsity", grid.sparsities},
          {"encodings", grid.encodings},
          {"kinds", grid.shared.campaign.kinds},
          {kRates, names(grid.shared.campaign.rates, rate_text)}};
}

bool is_claimed(const GridComparison& comparison,
                const std::vector<std::pair<std::string, std::string>>& cell) {
  if (!comparison.claim) return false;
  return std::all_of(cell.begin(), cell.end(), [&](const auto& coordinate) {
    const auto wanted = comparison.claim->find(coordinate.first);
    return wanted == comparison.claim->end() ||
           std::find(wanted->second.begin(), wanted->second.end(), coordinate.second) !=
               wanted->second.end();
  });
}

}  // namespace flatenn::study
