#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace flatenn::calibration {

/// A range of values; 0 lies within, since padding and dead channels need it.
struct Range {
  float low = 0;
  float high = 0;
  void widen(float value) {
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  bool operator==(const Range&) const = default;
};

/// Counts of values in bins of equal width over a range.
class Histogram {
 public:
  static constexpr int64_t kBins = 8192;

  Histogram() = default;
  explicit Histogram(Range range);
  /// Values outside of the range count in the bins at its ends.
  void add(std::span<const float> values);
  void add(const Histogram& other);

  const Range& range() const { return range_; }
  int64_t total() const { return total_; }
  const std::vector<int64_t>& counts() const { return counts_; }
  double width() const;
  double center(int64_t bin) const;

  /// The value below which `share` of all values lie, in [0, 1], evenly spread within a bin.
  double quantile(double share) const;

 private:
  Range range_;
  std::vector<int64_t> counts_;
  int64_t total_ = 0;
};

}  // namespace flatenn::calibration
