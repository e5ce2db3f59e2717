#include "report/contour_levels.h"

#include <cmath>
#include <limits>

namespace flatenn::report {
namespace {

constexpr int kBands = 14;

}  // namespace

std::vector<double> contour_levels(const Contour& contour) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const auto& row : contour.values) {
    for (const double value : row) {
      if (!std::isfinite(value) || value <= 0) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  low = contour.low.value_or(low);
  high = contour.high.value_or(high);
  if (high == 0) low = high = 1;
  if (low == high) high = 2 * low;
  std::vector<double> levels;
  for (int i = 0; i <= kBands; ++i)
    levels.push_back(low * std::pow(high / low, i / double{kBands}));
  return levels;
}

}  // namespace flatenn::report
