#pragma once

#include "flatenn/report/section.h"
#include "report/arm.h"

namespace flatenn::report {

#define FLATENN_SECTION(name) Section name(const Findings& findings);
#include "report/sections.inc"
#undef FLATENN_SECTION

/// "" where the page has one plan, else the plan's name with a colon, to begin titles with.
std::string plan_prefix(const Findings& findings, const campaign::PlanResult& plan);
/// Id of a figure or table that exists once a plan: `base` alone for the first plan.
std::string plan_id(const Findings& findings, const campaign::PlanResult& plan,
                    const std::string& base);

/// The axis of the plan's levels: bit error rates, or numbers of faults.
Axis level_axis(const campaign::PlanResult& plan);

/// The paired difference accuracy(better) - accuracy(worse) of two models in one cell; none where
/// they share no finished trial.
std::optional<campaign::PairResult> oriented_pair(const campaign::PlanResult& plan, int64_t better,
                                                  int64_t worse, int64_t kind, int64_t level);

/// Two arms to compare: `better` minus `worse` is shown.
struct Comparison {
  std::string title;  ///< "saq - sgd, sparse".
  Arm better, worse;
};
/// Accuracy of these arms over the levels under one kind of fault.
Figure accuracy_figure(const Findings& findings, const campaign::PlanResult& plan, int64_t kind,
                       const std::vector<Arm>& arms);
/// Differences of accuracy over the levels; without id and title.
Figure difference_figure(const campaign::PlanResult& plan, int64_t kind,
                         const std::vector<Comparison>& comparisons);
/// Each recipe against "sgd" at equal activation; without such arms, every arm against the first.
std::vector<Comparison> recipe_comparisons(const std::vector<Arm>& arms);
/// Standard against sparse at equal recipe: what sparsity costs, as the claims ask.
std::vector<Comparison> activation_comparisons(const std::vector<Arm>& arms);

}  // namespace flatenn::report
