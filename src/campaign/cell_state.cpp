#include "campaign/cell_state.h"

#include <algorithm>
#include <cmath>

#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {

double Estimator::value(const store::TrialRow& row) const {
  const auto images = static_cast<double>(row.images);
  const double golden_here = static_cast<double>(row.golden_correct) / images;
  return static_cast<double>(row.correct) / images - control * (golden_here - golden_accuracy);
}

void CellState::add(int64_t trial, double value) {
  later_.emplace(trial, value);
  done_ += 1;
  const size_t before = prefix_.size();
  for (auto next = later_.begin();
       next != later_.end() && next->first == static_cast<int64_t>(prefix_.size());
       next = later_.erase(next)) {
    prefix_.push_back(next->second);
  }
  if (prefix_.size() == before || finished()) return;
  if (static_cast<int64_t>(prefix_.size()) >= decision_.wanted) {
    decide();
  } else {
    decision_.trials = static_cast<int64_t>(prefix_.size());
  }
}

std::vector<int64_t> CellState::missing(int64_t most) const {
  std::vector<int64_t> trials;
  if (finished()) return trials;
  for (auto trial = static_cast<int64_t>(prefix_.size()); trial < decision_.wanted; ++trial) {
    if (static_cast<int64_t>(trials.size()) == most) break;
    if (!later_.contains(trial)) trials.push_back(trial);
  }
  return trials;
}

int64_t CellState::expected_trials() const {
  if (finished()) return decision_.trials;
  if (!rule_.half_width || prefix_.size() < 4) return decision_.wanted;
  const double sd = std::max(summarize(prefix_).sd, rule_.sd_floor);
  for (int64_t n = decision_.wanted;; n = std::min(next_checkpoint(n), rule_.max_trials)) {
    const bool enough = student_interval(0, sd, n).half_width() <= *rule_.half_width;
    if (enough || n >= rule_.max_trials) return n;
  }
}

}  // namespace flatenn::campaign
