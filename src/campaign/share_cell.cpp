#include "campaign/share_cell.h"

#include <algorithm>

namespace flatenn::campaign {
namespace {

/// The first own trial of a cell: the residue of all of them.
int64_t first_trial(const Share& share, int64_t cell) {
  return ((share.index - 1 - cell) % share.of + share.of) % share.of;
}

}  // namespace

ShareCell::ShareCell(Share share, int64_t cell, const StopRule& rule, Estimator estimator,
                     std::optional<int64_t> until)
    : share_(share), cell_(cell), rule_(rule), estimator_(estimator) {
  last_ = std::min(until.value_or(rule.max_trials), rule.max_trials);
  const bool guesses = rule.half_width && !until;
  bound_ = guesses ? std::min(next_checkpoint(0), last_) : last_;
  move_bound();
}

void ShareCell::add(const store::TrialRow& row) {
  if (!share_.holds(cell_, row.trial)) return;
  const bool is_new = values_.emplace(row.trial, estimator_.value(row)).second;
  if (is_new && row.trial < bound_) ++below_;
  move_bound();
}

int64_t ShareCell::wanted() const { return share_.trials_below(cell_, bound_); }

/// Whether the trials below the bound look enough for the half-width once all shares have theirs.
bool ShareCell::is_enough() const {
  constexpr int64_t kFewest = 4;  // of fewer the spread says little
  std::vector<double> values;
  for (auto at = values_.begin(); at != values_.lower_bound(bound_); ++at)
    values.push_back(at->second);
  if (std::ssize(values) < kFewest) return false;
  const double sd = std::max(summarize(values).sd, rule_.sd_floor);
  return student_interval(0, sd, bound_).half_width() <= *rule_.half_width;
}

void ShareCell::move_bound() {
  while (!finished_ && below_ == wanted()) {
    finished_ = bound_ >= last_ || is_enough();
    if (finished_) return;
    bound_ = std::min(next_checkpoint(bound_), last_);
    below_ = std::distance(values_.begin(), values_.lower_bound(bound_));
  }
}

std::vector<int64_t> ShareCell::missing(int64_t most) const {
  std::vector<int64_t> trials;
  if (finished_) return trials;
  for (int64_t trial = first_trial(share_, cell_); trial < bound_; trial += share_.of) {
    if (std::ssize(trials) == most) break;
    if (!values_.contains(trial)) trials.push_back(trial);
  }
  return trials;
}

Summary ShareCell::summary() const {
  std::vector<double> values;
  for (const auto& [trial, value] : values_) values.push_back(value);
  return summarize(values);
}

}  // namespace flatenn::campaign
