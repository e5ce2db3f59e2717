#pragma once

#include <string>
#include <vector>

#include "report/arm.h"

namespace flatenn::report {

/// The column of cells to quote: where the networks lie furthest apart.
struct TellingCell {
  size_t kind = 0;
  size_t level = 0;
};
/// Level whose curves lie furthest apart in the mean over kinds, and there the kind that parts them
/// most. Where none do, such as of one network, the highest level with trials.
TellingCell telling_cell(const campaign::PlanResult& plan);

/// Mean over an arm's networks of the mean accuracy in a cell, as a share; NaN where none has a
/// finished trial.
double faulty_accuracy(const campaign::PlanResult& plan, const Arm& arm, const TellingCell& cell);
double golden_accuracy(const campaign::PlanResult& plan, const Arm& arm);

/// The arm that others are compared with: conventional training of standard activations, else
/// conventional training, else the first.
size_t baseline_of(const std::vector<Arm>& arms);

/// "5 % bit flips", "0.62 V (bit flips)", "3 faults (bit flips)".
std::string cell_words(const campaign::PlanResult& plan, const TellingCell& cell);

}  // namespace flatenn::report
