#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/campaign/share.h"
#include "flatenn/campaign/stop_rule.h"
#include "flatenn/store/store.h"

namespace flatenn::campaign {

/// How far a cell is, by its stop rule on the contiguous prefix of its trials.
struct CellStanding {
  int64_t cell = 0;
  std::string label;    ///< "lenet5 bit_flip 0.01"
  int64_t stored = 0;   ///< Trials there, in any order.
  int64_t wanted = 0;   ///< Trials 0 to wanted - 1 settle it, or the next decision.
  int64_t at_most = 0;  ///< Trials it may come to: its bound, or where its rule has ended it.
  StopReason stop = StopReason::kRunning;
  std::vector<int64_t> missing;  ///< Those of the wanted trials that are not there, rising.
};

/// How far a plan is, told from its result file alone.
struct PlanStanding {
  std::string name;
  bool is_search = false;  ///< Chooses cells as it goes: those without trials are not counted.
  std::vector<CellStanding> cells;
  std::vector<store::RunRow> runs;

  int64_t stored() const;
  int64_t missing() const;  ///< Trials to run before the next decisions.
  int64_t at_most() const;  ///< Trials of the whole plan: rules may end cells earlier.
  int64_t finished_cells() const;
  bool finished() const { return finished_cells() == std::ssize(cells); }
  /// Of the missing trials, those that belong to a share.
  int64_t missing_of(const Share& share) const;
};

PlanStanding standing_of(const store::Store& store, const store::PlanRow& plan);

}  // namespace flatenn::campaign
