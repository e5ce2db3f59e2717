#pragma once

#include <algorithm>
#include <cstdint>

namespace flatenn::campaign {

/// How many trials to run at once: about a second's work, so that little is lost when a run is
/// killed, and within a bound on the logits' memory. Two seconds where trials are prepared while
/// the engine runs others: nothing runs while the first of a batch are.
class BatchSize {
 public:
  /// The first batch is small where nobody knows what a trial takes (0).
  BatchSize(int64_t logits_of_trial, double seconds_a_trial) : most_(most(logits_of_trial)) {
    if (seconds_a_trial > 0) {
      size_ = std::clamp<int64_t>(static_cast<int64_t>(1 / seconds_a_trial), 1, most_);
    }
  }
  /// The bound.
  static int64_t most(int64_t logits_of_trial) {
    return std::clamp<int64_t>(kMaxLogits / std::max<int64_t>(1, logits_of_trial), 1, 512);
  }
  int64_t next() const { return size_; }
  void learn(int64_t trials, double seconds, bool prepares_ahead) {
    const double wanted_seconds = prepares_ahead ? 2 : 1;
    const double fit = wanted_seconds * static_cast<double>(trials) / std::max(seconds, 1e-6);
    size_ = std::clamp<int64_t>(static_cast<int64_t>(fit), 1, std::min(2 * size_, most_));
  }

 private:
  static constexpr int64_t kMaxLogits = int64_t{1} << 25;
  int64_t most_;
  int64_t size_ = std::min<int64_t>(4, most_);
};

}  // namespace flatenn::campaign
