#pragma once

#include <nlohmann/json.hpp>

#include "flatenn/campaign/standing.h"

namespace flatenn::cli {

/// "plan 'lenet5': 1500 trials stored, 10 of 12 cells finished, at most 300 trials left"
void print_standing(const campaign::PlanStanding& plan);

/// A line for each cell that is not finished, the first few of them.
void print_open_cells(const campaign::PlanStanding& plan);

nlohmann::json standing_json(const campaign::PlanStanding& plan);

}  // namespace flatenn::cli
