#pragma once

#include <string>
#include <utility>
#include <vector>

#include "flatenn/study/regimes.h"

namespace flatenn::study {

inline constexpr const char* kNoSparsity = "none";
inline constexpr const char* kRates = "rates";

/// A recipe with a sparsity of the grid.
struct GridArm {
  std::string recipe;
  std::string sparsity;
  std::string name() const;  ///< "saq-sparse75"
};

/// "standard", "sparse75": how activations are called in arms.
std::string activation_name(const std::string& sparsity);
/// For each sparsity all recipes, so that a part of the arms is whole pairs.
std::vector<GridArm> arms_of(const Grid& grid);
std::string arm_names(const Grid& grid);

struct ArmPair {
  GridArm better, worse;
};
/// All pairs of arms that a comparison means.
std::vector<ArmPair> compared_arms(const Grid& grid, const GridComparison& comparison);

/// A rate as filters have it.
std::string rate_text(double rate);

/// What claims may be narrowed to: axis and values, as keys of [grid].
std::vector<std::pair<std::string, std::vector<std::string>>> axes_of(const Grid& grid);

/// Whether a claim is made of this cell, given as axis and value.
bool is_claimed(const GridComparison& comparison,
                const std::vector<std::pair<std::string, std::string>>& cell);

}  // namespace flatenn::study
