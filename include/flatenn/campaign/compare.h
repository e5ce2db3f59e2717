#pragma once

#include <string>
#include <vector>

#include "flatenn/campaign/results.h"

namespace flatenn::campaign {

/// One cell (or the fault-free accuracy) of a network in two results.
struct CellComparison {
  std::string model;
  std::string kind;   ///< Empty: without faults.
  std::string level;  ///< Its label.
  double before = 0;  ///< Mean accuracies, as shares.
  double after = 0;
  double difference = 0;  ///< after - before; of paired trials, over the common ones.
  Interval ci;            ///< 95 %; a point where nothing is random.
  double p_value = 1;
  bool paired = false;      ///< Both met the same fault maps and images.
  bool regression = false;  ///< Surely lost more than what is tolerated.
  bool gain = false;        ///< Surely gained more than that.
};

struct PlanComparison {
  std::string before;  ///< Names of the plans.
  std::string after;
  std::vector<CellComparison> cells;
  std::vector<std::string> unmatched;  ///< Networks, kinds and levels that only one of them has.
  bool has_regression() const;
};

/// Compares what two plans have in common: networks by name (a single one with a single one), kinds
/// and levels by name. Trials are paired where seed, images, faults and memory layout are equal, so
/// that both met the same maps; elsewhere Welch's interval of a difference of means is used
/// (Biometrika 34, 1947). A cell is a regression where its whole interval lies below -tolerated.
PlanComparison compare_plans(const PlanResult& before, const PlanResult& after, double tolerated);

}  // namespace flatenn::campaign
