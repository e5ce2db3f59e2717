#pragma once

#include <nlohmann/json.hpp>

#include "flatenn/campaign/standing.h"

namespace flatenn::cli {

/// "plan 'lenet5': 1500 trials stored in 3 files, 10 of 12 cells finished, 300 trials left"
void print_standing(const campaign::PlanStanding& plan, int64_t files = 1);

/// Which shares lack trials: a line of those that are missing, one of those that have more to run.
void print_open_shares(const campaign::PlanStanding& plan);
nlohmann::json open_shares_json(const campaign::PlanStanding& plan);

/// A line for each cell that is not finished, the first few of them.
void print_open_cells(const campaign::PlanStanding& plan);

nlohmann::json standing_json(const campaign::PlanStanding& plan);

}  // namespace flatenn::cli
