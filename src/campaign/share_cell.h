#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "campaign/cell_state.h"
#include "flatenn/campaign/share.h"
#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {

/// A cell as one share of a campaign runs it: its own trials up to a bound.
///
/// Without a half-width the bound is the cell's number of trials. With one, nobody sees the
/// contiguous prefix before shares are joined, so a share goes from checkpoint to checkpoint until
/// the spread of its own trials says that so many in all are enough. That is a guess: joining
/// applies the rule, and says what is still to run.
class ShareCell {
 public:
  /// `until`, where given, is the bound instead.
  ShareCell(Share share, int64_t cell, const StopRule& rule, Estimator estimator,
            std::optional<int64_t> until);

  void add(const store::TrialRow& row);
  bool finished() const { return finished_; }
  /// The first `most` own trials below the bound that are not there, rising.
  std::vector<int64_t> missing(int64_t most) const;
  int64_t done() const { return std::ssize(values_); }
  int64_t wanted() const;  ///< Own trials below the bound, as far as it is known.
  /// Of the own trials that are there, by number.
  const std::map<int64_t, double>& values() const { return values_; }
  Summary summary() const;

 private:
  void move_bound();
  bool is_enough() const;

  Share share_;
  int64_t cell_;
  StopRule rule_;
  Estimator estimator_;
  int64_t last_ = 0;   ///< The bound that is never passed.
  int64_t bound_ = 0;  ///< Trials below it are wanted.
  int64_t below_ = 0;  ///< Own trials below it that are there.
  bool finished_ = false;
  std::map<int64_t, double> values_;  ///< Of the own trials that are there.
};

}  // namespace flatenn::campaign
