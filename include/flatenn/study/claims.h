#pragma once

#include <map>
#include <string>
#include <vector>

#include "flatenn/campaign/results.h"
#include "flatenn/report/findings.h"
#include "flatenn/study/definition.h"

namespace flatenn::study {

/// Sparsity reached, by model name; compared sparse networks should agree within a point.
using SparsityByModel = std::map<std::string, double>;

/// The claims of arXiv:2301.00675 that the plan's arms can speak to, each in each cell of
/// definition.claims, as measured:
///   sparse networks lose more than standard ones (difference of the losses against golden);
///   SAQ gains on standard and on sparse networks, against sgd and against sgd-2x;
///   SAQ-trained sparse networks beat conventionally trained standard ones.
///
/// Verdict: "confirmed" (or "refuted") where at least definition.min_seeds training seeds give
/// differences of one sign, the 95 % Student-t interval over seeds leaves out 0, and Holm's
/// correction over all claims and cells leaves p < 0.05; sparse networks compared with each other
/// must agree in sparsity. Else "undecided", with the reason.
std::vector<report::Claim> judge_claims(const campaign::PlanResult& plan,
                                        const Definition& definition,
                                        const SparsityByModel& sparsity);

/// The claims as a table for a terminal.
std::string claims_text(const std::vector<report::Claim>& claims);

}  // namespace flatenn::study
