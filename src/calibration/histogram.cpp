#include "calibration/histogram.h"

#include <algorithm>
#include <cmath>

namespace flatenn::calibration {

Histogram::Histogram(Range range) : range_(range), counts_(static_cast<size_t>(kBins), 0) {}

double Histogram::width() const {
  return (static_cast<double>(range_.high) - static_cast<double>(range_.low)) /
         static_cast<double>(kBins);
}

double Histogram::center(int64_t bin) const {
  return static_cast<double>(range_.low) + (static_cast<double>(bin) + 0.5) * width();
}

void Histogram::add(std::span<const float> values) {
  const double per_value = width() > 0 ? 1 / width() : 0;
  for (const float value : values) {
    const double bin = (static_cast<double>(value) - static_cast<double>(range_.low)) * per_value;
    ++counts_[static_cast<size_t>(std::clamp(bin, 0.0, static_cast<double>(kBins - 1)))];
  }
  total_ += std::ssize(values);
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
}

double Histogram::quantile(double share) const {
  const double wanted = share * static_cast<double>(total_);
  double below = 0;
  for (int64_t bin = 0; bin < kBins; ++bin) {
    const auto count = static_cast<double>(counts_[static_cast<size_t>(bin)]);
    if (count > 0 && below + count >= wanted) {
      const double part = std::clamp((wanted - below) / count, 0.0, 1.0);
      return center(bin) + (part - 0.5) * width();
    }
    below += count;
  }
  return static_cast<double>(range_.high);
}

}  // namespace flatenn::calibration
