#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {

/// A claim about a method in one cell, fixed before the data are looked at: "b - a is above 0".
/// Networks of one training seed are one observation, however many fault maps they met.
struct Claim {
  std::string name;
  std::vector<double> seed_differences;  ///< One a training seed: difference of means over maps.
};

enum class Verdict { kConfirmed, kRefuted, kUndecided };
std::string to_string(Verdict verdict);

struct Judgement {
  std::string name;
  int64_t seeds = 0;
  double mean = 0;
  Interval ci;              ///< 95 % Student-t over seeds; infinite for one seed.
  double p_value = 1;       ///< Two-sided.
  double holm_p_value = 1;  ///< Adjusted over all claims judged together.
  Verdict verdict = Verdict::kUndecided;
};

/// Confirmed (refuted) where at least `least_seeds` differences are all above (below) 0, their t
/// interval does not hold 0, and Holm's adjusted p-value over all claims is below 0.05; else
/// undecided. Small networks vary more: use 5 seeds for LeNet-5.
std::vector<Judgement> judge(std::span<const Claim> claims, int64_t least_seeds = 3);

}  // namespace flatenn::campaign
