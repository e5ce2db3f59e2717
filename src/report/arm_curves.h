#pragma once

#include <vector>

#include "report/arm.h"

namespace flatenn::report {

/// A number of one cell with its interval over fault maps.
struct CellNumber {
  double value = 0;
  double low = 0;
  double high = 0;
};
using CellReader = CellNumber (*)(const campaign::CellResult& cell);

/// Adds a curve over the plan's levels for every arm: of one network with the interval of each
/// cell; of several, their mean with its t interval over thin lines of the single networks.
void add_arm_curves(const campaign::PlanResult& plan, const std::vector<Arm>& arms, int64_t kind,
                    CellReader read, Figure& figure);

/// Whether any arm has several training seeds.
bool has_replicates(const std::vector<Arm>& arms);

/// The cell of a model; null where none of its trials is finished.
const campaign::CellResult* used_cell(const campaign::PlanResult& plan, int64_t model, int64_t kind,
                                      size_t level);

}  // namespace flatenn::report
