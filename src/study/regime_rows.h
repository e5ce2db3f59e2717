#pragma once

#include <filesystem>
#include <vector>

#include "flatenn/study/regimes.h"

namespace flatenn::study {

/// Folder of a regime's study.
std::filesystem::path regime_folder(const std::filesystem::path& out, const Regime& regime);

/// All comparisons of the grid in all cells of these regimes that have been measured, judged:
/// Holm's correction runs over all rows that are claimed.
std::vector<RegimeRow> judge_regimes(const Grid& grid, const std::vector<Regime>& regimes,
                                     const std::filesystem::path& out);

}  // namespace flatenn::study
