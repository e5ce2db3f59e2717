#include "train/norm_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

#include "nn/multiversion.h"

namespace flatenn::train {
namespace {

/// Elements whose sum is one number; what one thread takes at a time.
constexpr int64_t kBlock = 32768;
/// Sums side by side, so that a vector's lanes have one each whatever the vector's length.
constexpr int64_t kLanes = 16;
using Lanes = std::array<double, kLanes>;

FLATENN_INLINE double total(const Lanes& lanes) {
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

FLATENN_MULTIVERSION
double squares(const float* __restrict x, int64_t n) {
  Lanes lanes{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) {
      const auto v = static_cast<double>(x[i + j]);
      lanes[static_cast<size_t>(j)] += v * v;
    }
  for (; i < n; ++i) lanes[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total(lanes);
}

FLATENN_MULTIVERSION
StretchedSums stretched(const float* __restrict grad, const float* __restrict value, double eta,
                        int64_t n) {
  Lanes once{};
  Lanes twice{};
  for (int64_t i = 0; i < n; ++i) {
    const double t = std::fabs(static_cast<double>(value[i])) + eta;
    const double first = t * static_cast<double>(grad[i]);
    const double second = t * first;
    const auto lane = static_cast<size_t>(i % kLanes);
    once[lane] += first * first;
    twice[lane] += second * second;
  }
  return {total(once), total(twice)};
}

FLATENN_MULTIVERSION
void scaled_span(float* __restrict out, const float* __restrict grad, double factor, bool add,
                 int64_t n) {
  const auto f = static_cast<float>(factor);
  if (add) {
    for (int64_t i = 0; i < n; ++i) out[i] += f * grad[i];
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = f * grad[i];
  }
}

FLATENN_MULTIVERSION
void stretched_span(float* out, const float* __restrict grad, const float* value, double eta,
                    double factor, bool add, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double t = std::fabs(static_cast<double>(value[i])) + eta;
    const auto eps = static_cast<float>(factor * t * t * static_cast<double>(grad[i]));
    out[i] = add ? out[i] + eps : eps;
  }
}

/// Sums of blocks, in order.
template <typename Sum, typename Block>
Sum sum_blocks(int64_t n, const Block& block) {
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<Sum> sums(static_cast<size_t>(blocks));
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * kBlock;
      sums[static_cast<size_t>(b)] = block(first, std::min(kBlock, n - first));
    }
  });
  Sum sum{};
  for (const Sum& one : sums) {
    if constexpr (std::is_same_v<Sum, double>) {
      sum += one;
    } else {
      sum.once += one.once;
      sum.twice += one.twice;
    }
  }
  return sum;
}

}  // namespace

double squared_norm(const float* x, int64_t n) {
  return sum_blocks<double>(
      n, [&](int64_t first, int64_t count) { return squares(x + first, count); });
}

StretchedSums stretched_norms(const float* grad, const float* value, double eta, int64_t n) {
  return sum_blocks<StretchedSums>(n, [&](int64_t first, int64_t count) {
    return stretched(grad + first, value + first, eta, count);
  });
}

void write_scaled(float* out, const float* grad, double factor, bool add, int64_t n) {
  at::parallel_for(0, n, kBlock, [&](int64_t begin, int64_t end) {
    scaled_span(out + begin, grad + begin, factor, add, end - begin);
  });
}

void write_stretched(float* out, const float* grad, const float* value, double eta, double factor,
                     bool add, int64_t n) {
  at::parallel_for(0, n, kBlock, [&](int64_t begin, int64_t end) {
    stretched_span(out + begin, grad + begin, value + begin, eta, factor, add, end - begin);
  });
}

}  // namespace flatenn::train
