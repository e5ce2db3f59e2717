#pragma once

#include <vector>

#include "flatenn/campaign/results.h"

namespace flatenn::report {

/// Joins campaigns that ask the same (settings, fault maps, images) of different networks into one,
/// in the order given; others stay as they are. Paired differences of networks from different
/// campaigns are computed from their trials, which met the same maps: of every pair with the same
/// training seed, or without any.
std::vector<campaign::PlanResult> merge_plans(std::vector<campaign::PlanResult> plans);

}  // namespace flatenn::report
