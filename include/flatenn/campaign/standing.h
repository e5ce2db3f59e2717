#pragma once

#include <cstdint>
#include <memory>
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

/// How far a plan is, told from its result files alone.
struct PlanStanding {
  std::string name;
  bool is_search = false;      ///< Chooses cells as it goes: those without trials are not counted.
  bool may_end_early = false;  ///< Its rule may end a cell before the cell's last trial.
  std::vector<CellStanding> cells;
  std::vector<Share> shares;  ///< That its files are.

  int64_t stored() const;
  int64_t missing() const;  ///< Trials to run before the next decisions.
  int64_t at_most() const;  ///< Trials of the whole plan: rules may end cells earlier.
  int64_t left() const;     ///< Trials that cells still running may come to besides those there.
  int64_t finished_cells() const;
  bool finished() const { return finished_cells() == std::ssize(cells); }
};

PlanStanding standing_of(const store::Store& store, const store::PlanRow& plan);

/// How far a plan is by several result files together, as merge_shares() would find it: a trial
/// that several hold counts once. The files are looked at one after the other.
class JoinedStanding {
 public:
  JoinedStanding(const store::Store& store, const store::PlanRow& plan);
  ~JoinedStanding();
  JoinedStanding(JoinedStanding&&) noexcept;

  /// Another file with the same plan: the caller has looked at its fingerprint.
  void add(const store::Store& store, const store::PlanRow& plan);
  PlanStanding standing();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Into how many shares the files divide the plan, rising: usually one number, none where no file
/// is a share.
std::vector<int64_t> divisions_of(const PlanStanding& plan);

/// A share that lacks trials.
struct OpenShare {
  Share share;
  int64_t missing = 0;
  bool is_there = false;  ///< One of the files is this share.
};

/// Which shares lack trials, of the division that most files belong to (of equal ones the
/// coarsest): a missing trial belongs to a share of every division, and is told once.
std::vector<OpenShare> open_shares(const PlanStanding& plan);

}  // namespace flatenn::campaign
