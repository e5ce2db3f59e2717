// Compiled with -O3 -ffp-contract=fast: training needs no equal bits between machines, and fused
// multiply-add halves the work.
#include "nn/conv_pool_kernels.h"

#include <algorithm>
#include <cstring>

#include "nn/multiversion.h"

namespace flatenn::nn {
namespace {

constexpr int64_t K = ConvPoolShape::kKernel;

/// A length for an array.
constexpr size_t length(int64_t n) { return static_cast<size_t>(n); }

// GCC lowers these to what each instruction set has.
using Vector16 = float __attribute__((vector_size(64)));
using Ints16 = int32_t __attribute__((vector_size(64)));
using Bytes16 = uint8_t __attribute__((vector_size(16)));
using Vector8 = float __attribute__((vector_size(32)));

/// By reference: returning a vector would tie the ABI to an instruction set.
template <typename Vector>
FLATENN_INLINE void load(Vector& v, const float* from) {
  std::memcpy(&v, from, sizeof(v));
}
template <typename Vector>
FLATENN_INLINE void store(float* to, const Vector& v) {
  std::memcpy(to, &v, sizeof(v));
}

/// Two adjacent rows of conv outputs of OB channels from `channel` on, each V vectors wide, into
/// rows[channel - first][2][16 V]. Sums stay in registers: 2 * V * OB of them.
template <int64_t V, int64_t OB>
FLATENN_INLINE void conv_two_rows(const ConvPoolShape& shape, const float* input,
                                  const float* weight, float* rows) {
  Vector16 top[length(OB)][length(V)] = {};
  Vector16 bottom[length(OB)][length(V)] = {};
  const int64_t filter = shape.in_channels * K * K;
  for (int64_t c = 0; c < shape.in_channels; ++c) {
    const float* plane = input + c * shape.plane();
    const float* kernel = weight + c * K * K;
#pragma GCC unroll 6
    for (int64_t r = 0; r <= K; ++r) {
#pragma GCC unroll 5
      for (int64_t k = 0; k < K; ++k) {
        Vector16 x[length(V)];
#pragma GCC unroll 2
        for (int64_t v = 0; v < V; ++v) load(x[v], plane + r * shape.row + k + 16 * v);
#pragma GCC unroll 8
        for (int64_t o = 0; o < OB; ++o) {
          const float* w = kernel + o * filter + k;
#pragma GCC unroll 2
          for (int64_t v = 0; v < V; ++v) {
            if (r < K) top[o][v] += x[v] * w[r * K];
            if (r > 0) bottom[o][v] += x[v] * w[(r - 1) * K];
          }
        }
      }
    }
  }
  for (int64_t o = 0; o < OB; ++o)
    for (int64_t v = 0; v < V; ++v) {
      store(rows + (2 * o) * 16 * V + 16 * v, top[o][v]);
      store(rows + (2 * o + 1) * 16 * V + 16 * v, bottom[o][v]);
    }
}

/// Even and odd places of 32 floats.
struct Pairs {
  Vector16 even, odd;
};
FLATENN_INLINE void split(Pairs& pairs, const float* row) {
  Vector16 low, high;
  load(low, row);
  load(high, row + 16);
  pairs.even = __builtin_shuffle(low, high,
                                 Ints16{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30});
  pairs.odd = __builtin_shuffle(low, high,
                                Ints16{1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31});
}

/// Pools two rows of up to 32 places into up to 16; on ties the first place wins.
FLATENN_INLINE void pool_rows(const float* top, const float* bottom, int64_t width, float* pooled,
                              uint8_t* winner) {
  Pairs upper, lower;
  split(upper, top);
  split(lower, bottom);
  const Ints16 right_of_upper = upper.odd > upper.even;
  const Ints16 right_of_lower = lower.odd > lower.even;
  const Vector16 high = right_of_upper ? upper.odd : upper.even;
  const Vector16 low = right_of_lower ? lower.odd : lower.even;
  const Ints16 below = low > high;
  const Vector16 best = below ? low : high;
  // Comparisons are -1 where true: 0 or 1 above, 2 or 3 below.
  const Ints16 place = below ? 2 - right_of_lower : -right_of_upper;
  const Bytes16 bytes = __builtin_convertvector(place, Bytes16);
  std::memcpy(pooled, &best, static_cast<size_t>(width) * sizeof(float));
  std::memcpy(winner, &bytes, static_cast<size_t>(width));
}

template <int64_t V, int64_t OB>
FLATENN_INLINE void forward_channels(const ConvPoolShape& shape, const float* input,
                                     const float* weight, int64_t& channel, float* pooled,
                                     uint8_t* winner) {
  float rows[length(2 * OB * 16 * V + 16)] = {};  // a narrow row is read 32 wide
  const int64_t filter = shape.in_channels * K * K;
  for (; channel + OB <= shape.out_channels; channel += OB)
    for (int64_t i = 0; i < shape.pool_height; ++i) {
      conv_two_rows<V, OB>(shape, input + 2 * i * shape.row, weight + channel * filter, rows);
      for (int64_t o = 0; o < OB; ++o) {
        const int64_t at = ((channel + o) * shape.pool_height + i) * shape.pool_width;
        const float* top = rows + 2 * o * 16 * V;
        pool_rows(top, top + 16 * V, shape.pool_width, pooled + at, winner + at);
      }
    }
}

/// As many channels at once as 32 registers allow, then the rest one by one.
template <int64_t V>
FLATENN_INLINE void forward_image(const ConvPoolShape& shape, const float* input,
                                  const float* weight, float* pooled, uint8_t* winner) {
  constexpr int64_t kBlock = V == 1 ? 8 : 6;
  int64_t channel = 0;
  forward_channels<V, kBlock>(shape, input, weight, channel, pooled, winner);
  forward_channels<V, 1>(shape, input, weight, channel, pooled, winner);
}

FLATENN_MULTIVERSION
void forward_narrow(const ConvPoolShape& shape, const float* input, const float* weight,
                    float* pooled, uint8_t* winner) {
  forward_image<1>(shape, input, weight, pooled, winner);
}
FLATENN_MULTIVERSION
void forward_wide(const ConvPoolShape& shape, const float* input, const float* weight,
                  float* pooled, uint8_t* winner) {
  forward_image<2>(shape, input, weight, pooled, winner);
}

/// C input channels' gradients in C * K registers while all places are visited.
template <int64_t C>
FLATENN_INLINE void weight_gradient_block(const ConvPoolShape& shape,
                                          const SparseGradient& gradient, const float* input,
                                          float* wide) {
  Vector8 sums[length(C * K)];
#pragma GCC unroll 30
  for (int64_t i = 0; i < C * K; ++i) load(sums[i], wide + 8 * i);
  for (int64_t e = 0; e < gradient.count; ++e) {
    const float g = gradient.value[e];
    const float* at = input + gradient.offset[e];
#pragma GCC unroll 6
    for (int64_t c = 0; c < C; ++c)
#pragma GCC unroll 5
      for (int64_t r = 0; r < K; ++r) {
        Vector8 x;
        load(x, at + c * shape.plane() + r * shape.row);
        sums[c * K + r] += x * g;
      }
  }
#pragma GCC unroll 30
  for (int64_t i = 0; i < C * K; ++i) store(wide + 8 * i, sums[i]);
}

}  // namespace

void conv_pool_forward(const ConvPoolShape& shape, const float* input, const float* weight,
                       float* pooled, uint8_t* winner) {
  if (shape.vectors == 1)
    forward_narrow(shape, input, weight, pooled, winner);
  else
    forward_wide(shape, input, weight, pooled, winner);
}

FLATENN_MULTIVERSION
void conv_pool_weight_gradient(const ConvPoolShape& shape, const SparseGradient& gradient,
                               const float* input, float* wide_gradient) {
  int64_t c = 0;
  const auto in = [&] { return input + c * shape.plane(); };
  const auto out = [&] { return wide_gradient + c * K * 8; };
  for (; c + 6 <= shape.in_channels; c += 6) weight_gradient_block<6>(shape, gradient, in(), out());
  for (; c < shape.in_channels; ++c) weight_gradient_block<1>(shape, gradient, in(), out());
}

FLATENN_MULTIVERSION
void conv_pool_input_gradient(const ConvPoolShape& shape, const SparseGradient& gradient,
                              const float* wide_weight, float* input_gradient) {
  for (int64_t c = 0; c < shape.in_channels; ++c) {
    float* plane = input_gradient + c * shape.plane();
    Vector8 w[length(K)];
#pragma GCC unroll 5
    for (int64_t r = 0; r < K; ++r) load(w[r], wide_weight + (c * K + r) * 8);
    // Neighbours overlap, and a load that overlaps a store still on its way waits for it: four
    // distant places in turn.
    const int64_t quarter = (gradient.count + 3) / 4;
    for (int64_t step = 0; step < 4 * quarter; ++step) {
      const int64_t e = (step & 3) * quarter + (step >> 2);
      if (e >= gradient.count) continue;
      float* at = plane + gradient.offset[e];
      const float g = gradient.value[e];
#pragma GCC unroll 5
      for (int64_t r = 0; r < K; ++r) {
        Vector8 sum;
        load(sum, at + r * shape.row);
        store(at + r * shape.row, sum + w[r] * g);
      }
    }
  }
}

}  // namespace flatenn::nn
