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

/// "Sharper minima go with the loss": per seed, Spearman's rank correlation over networks between a
/// sharpness number and the accuracy lost in the cell definition.flatness_kind, flatness_rate; and
/// "SAQ finds flatter minima": sharpness of saq-X less that of sgd-X, relative to the mean of
/// sgd-X. From the results of `sharpness` among the findings; numbers not measured are left out.
///
/// The verdict's rule is that of judge_claims(); Holm's correction runs over these claims alone.
std::vector<report::Claim> judge_flatness(const report::Findings& findings,
                                          const campaign::PlanResult& plan,
                                          const Definition& definition);

/// "Energy and latency benefit of sparsity is kept", on every machine priced by `cost`: what sparse
/// networks save against standard ones, trained conventionally and by SAQ, relative to the mean of
/// sgd-standard; and that saq-sparse costs at most definition.cost_margin more than sgd-sparse.
/// Judged likewise, as a group of its own.
std::vector<report::Claim> judge_cost(const report::Findings& findings,
                                      const Definition& definition,
                                      const SparsityByModel& sparsity);

/// The claims as a table for a terminal.
std::string claims_text(const std::vector<report::Claim>& claims);

}  // namespace flatenn::study
