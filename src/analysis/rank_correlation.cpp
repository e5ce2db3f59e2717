#include "flatenn/analysis/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

constexpr double kNormal975 = 1.959963984540054;

double pearson(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean = (static_cast<double>(a.size()) + 1) / 2;  // of any ranks
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

}  // namespace

std::vector<double> ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    const double shared = static_cast<double>(first + last) / 2 + 1;
    for (size_t i = first; i <= last; ++i) result[order[i]] = shared;
    first = last + 1;
  }
  return result;
}

RankCorrelation spearman(std::span<const double> a, std::span<const double> b) {
  FLATENN_CHECK(a.size() == b.size(), "spearman: expected as many values on both sides, got ",
                a.size(), " and ", b.size());
  RankCorrelation result;
  result.n = static_cast<int64_t>(a.size());
  result.rho = pearson(ranks(a), ranks(b));
  if (result.n < 4) return result;
  const double n = static_cast<double>(result.n);
  // Half a step of rho below 1: few ranks in perfect order do not leave an interval without width.
  const double most = 1 - 6 / (n * (n * n - 1));
  const double bounded = std::clamp(result.rho, -most, most);
  const double z = std::atanh(bounded);
  const double half = kNormal975 * std::sqrt((1 + bounded * bounded / 2) / (n - 3));
  result.low = result.rho <= -most ? -1 : std::tanh(z - half);
  result.high = result.rho >= most ? 1 : std::tanh(z + half);
  return result;
}

}  // namespace flatenn::analysis
