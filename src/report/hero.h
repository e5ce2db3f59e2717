#pragma once

#include <optional>

#include "flatenn/report/figure.h"
#include "flatenn/report/findings.h"

namespace flatenn::report {

/// More curves than this make a tangle: their differences from the baseline are shown instead, and
/// evidence is split into small multiples.
inline constexpr size_t kMostCurves = 4;

/// The one chart that shows a plan's answer: accuracy over the levels under the kind of fault that
/// parts the networks most; above kMostCurves, its difference from the baseline. None for
/// single-fault campaigns and plans without trials.
std::optional<Figure> hero_figure(const Findings& findings, const campaign::PlanResult& plan);

}  // namespace flatenn::report
