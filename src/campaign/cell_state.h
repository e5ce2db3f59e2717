#pragma once

#include <map>
#include <span>
#include <vector>

#include "flatenn/campaign/stop_rule.h"
#include "flatenn/store/store.h"

namespace flatenn::campaign {

/// How a trial's counts become the value that statistics are made of.
struct Estimator {
  double control = 0;          ///< Weight of the control variate; moot where trials see all images.
  double golden_accuracy = 0;  ///< Over the whole set.

  /// Accuracy - control * (golden accuracy on the trial's images - golden accuracy).
  double value(const store::TrialRow& row) const;
};

/// A cell's finished trials as they come in, and what its stop rule says about them.
class CellState {
 public:
  CellState(StopRule rule, Estimator estimator) : rule_(rule), estimator_(estimator) { decide(); }

  void add(const store::TrialRow& row) { add(row.trial, estimator_.value(row)); }
  void add(int64_t trial, double value);
  /// Values of trials 0, 1, ... up to the first gap.
  std::span<const double> prefix() const { return prefix_; }
  const StopRule::Decision& decision() const { return decision_; }
  bool finished() const { return decision_.reason != StopReason::kRunning; }
  /// The first `most` trials that the next decision still needs, rising.
  std::vector<int64_t> missing(int64_t most) const;
  /// Trials in all as far as can be told: a half-width's need is extrapolated from the spread.
  int64_t expected_trials() const;
  const StopRule& rule() const { return rule_; }
  const Estimator& estimator() const { return estimator_; }
  int64_t done() const { return done_; }

 private:
  void decide() { decision_ = rule_.decide(prefix_); }

  StopRule rule_;
  Estimator estimator_;
  std::vector<double> prefix_;
  std::map<int64_t, double> later_;  ///< Finished trials beyond a gap.
  StopRule::Decision decision_;
  int64_t done_ = 0;
};

}  // namespace flatenn::campaign
