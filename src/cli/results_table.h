#pragma once

#include "flatenn/campaign/results.h"

namespace flatenn::cli {

/// The plan with names that a terminal may get (base/printable.h).
campaign::PlanResult with_printable_names(campaign::PlanResult plan);

/// A plan's numbers for people, on stdout: cells, tolerable rates, pairs, or strata; then the
/// sentence that answers.
void print_results(const campaign::PlanResult& plan);

}  // namespace flatenn::cli
