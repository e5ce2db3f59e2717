#pragma once

#include <string>
#include <utility>
#include <vector>

#include "flatenn/report/figure.h"
#include "flatenn/report/findings.h"

namespace flatenn::report {

/// Networks trained in the same way that differ in their training seed alone. A network without
/// such relatives is an arm of its own.
struct Arm {
  std::string name;        ///< "saq-sparse", or the model's name.
  std::string recipe;      ///< "saq"; empty where unknown.
  std::string activation;  ///< "standard", "sparse"; empty where unknown.
  Style style;
  std::vector<int64_t> models;  ///< Indices into PlanResult::models.
};

/// In order of first appearance.
std::vector<Arm> arms_of(const campaign::PlanResult& plan);

/// The look of an arm: colour and marker by recipe, dashes and hollow markers for sparse networks,
/// so that it is the same in all figures. `position` gives the colour of names that tell no recipe.
Style arm_style(const std::string& recipe, const std::string& activation, int64_t position);

/// "saq/sparse" -> {"saq", "sparse"}; {"", ""} where there is no slash.
std::pair<std::string, std::string> split_arm(const std::string& arm);
/// "saq/sparse" -> "saq-sparse".
std::string arm_title(const std::string& arm);

/// Mean over an arm's models of a number of each, with its interval: Student's t over several
/// models, else the one model's own.
struct Estimate {
  double mean = 0;
  campaign::Interval interval;
};
Estimate over_models(const std::vector<double>& values, const campaign::Interval& own);

}  // namespace flatenn::report
