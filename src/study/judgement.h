#pragma once

#include <string>
#include <vector>

#include "flatenn/report/findings.h"
#include "flatenn/study/claims.h"

namespace flatenn::study {

/// A claim in one cell as every training seed gave it, before it is judged.
struct Measured {
  report::Claim claim;  ///< What was asked; `networks` where known. The rest is filled in.
  std::vector<double> by_seed;
  double margin = 0;     ///< The claim is "the difference is above -margin".
  std::string mismatch;  ///< Why the networks should not be compared; empty: they may.
};

/// An arm, "saq/sparse", and its network's name.
struct ArmNetwork {
  std::string arm;
  std::string network;
};

/// Tells where two sparse networks differ by more than a point of sparsity; empty where they agree,
/// or one of them is not sparse.
std::string sparsity_mismatch(const ArmNetwork& better, const ArmNetwork& worse,
                              const SparsityByModel& sparsity);

/// Divides the differences by the mean of what they are compared with, given its sum over seeds.
void express_relative(Measured& measured, double sum_of_compared);

/// Means, intervals and p-values over seeds, Holm's correction over all claims given, and the
/// verdicts (judge_claims() has the rule). Claims without a seed are left out.
std::vector<report::Claim> judge_together(std::vector<Measured> all, int64_t min_seeds);

}  // namespace flatenn::study
