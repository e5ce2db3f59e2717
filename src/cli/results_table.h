#pragma once

#include "flatenn/campaign/results.h"

namespace flatenn::cli {

/// A plan's numbers for people, on stdout: cells, tolerable rates, pairs, or strata.
void print_results(const campaign::PlanResult& plan);

}  // namespace flatenn::cli
