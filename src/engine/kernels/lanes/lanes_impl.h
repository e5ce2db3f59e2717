#pragma once

#include "engine/kernels/lanes/lanes.h"

/// The kernels' loops over a SIMD type S, for inclusion by one source file an instruction set. S is
/// local to that file, so every instance is too. S offers
///   Ints, Floats (16 lanes), Codes (a vector as loaded), Weight (one weight of four bytes)
///   kTilePositions[block]: positions whose accumulators fit the registers
namespace flatenn::engine::lanes {
namespace {

/// `Positions` x `Block` accumulators in registers; each vector of codes is loaded once.
template <class S, unsigned Positions, unsigned Block, bool Wide>
void dot_tile(const DotArgs& a, int64_t first) {
  typename S::Ints acc[Positions][Block];
  const uint8_t* base[Positions];
#pragma GCC unroll 8
  for (unsigned p = 0; p < Positions; ++p) {
    base[p] = a.src + a.offsets[first + p];
#pragma GCC unroll 8
    for (unsigned m = 0; m < Block; ++m) acc[p][m] = S::broadcast(a.init[m]);
  }
  const int32_t* weights = a.weights;
  for (int64_t s = 0; s < a.segment_count; ++s) {
    int64_t at = a.segments[s].offset;
    const int64_t end = at + a.segments[s].vectors * kVectorBytes;
    for (; at < end; at += kVectorBytes, weights += Block) {
      typename S::Codes codes[Positions];
#pragma GCC unroll 8
      for (unsigned p = 0; p < Positions; ++p) codes[p] = S::template codes<Wide>(base[p] + at);
#pragma GCC unroll 8
      for (unsigned m = 0; m < Block; ++m) {
        const auto weight = S::template weight<Wide>(weights[m]);
#pragma GCC unroll 8
        for (unsigned p = 0; p < Positions; ++p) {
          acc[p][m] = S::template dot<Wide>(acc[p][m], codes[p], weight);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (unsigned p = 0; p < Positions; ++p) {
#pragma GCC unroll 8
    for (unsigned m = 0; m < Block; ++m) {
      S::store(a.acc + m * a.acc_stride + a.slots[first + p] * kLanes, acc[p][m]);
    }
  }
}

/// The last positions, fewer than a full tile.
template <class S, unsigned Positions, unsigned Block, bool Wide>
void dot_rest(const DotArgs& a, int64_t first, int64_t count) {
  if (count == Positions) return dot_tile<S, Positions, Block, Wide>(a, first);
  if constexpr (Positions > 1) dot_rest<S, Positions - 1, Block, Wide>(a, first, count);
}

template <class S, unsigned Block, bool Wide>
void dot_block(const DotArgs& a) {
  constexpr unsigned kTile = S::kTilePositions[Block];
  int64_t at = 0;
  for (; at + kTile <= a.positions; at += kTile) dot_tile<S, kTile, Block, Wide>(a, at);
  if constexpr (kTile > 1) {
    if (at < a.positions) dot_rest<S, kTile - 1, Block, Wide>(a, at, a.positions - at);
  }
}

template <class S, bool Wide>
void dot_any(const DotArgs& a) {
  switch (a.block) {
    case 1:
      return dot_block<S, 1, Wide>(a);
    case 2:
      return dot_block<S, 2, Wide>(a);
    case 3:
      return dot_block<S, 3, Wide>(a);
    case 4:
      return dot_block<S, 4, Wide>(a);
    case 5:
      return dot_block<S, 5, Wide>(a);
    default:
      return dot_block<S, 6, Wide>(a);
  }
}

template <class S>
typename S::Ints window_extreme(const RequantizeArgs& a, int64_t m, const int32_t* window,
                                bool falling) {
  const int32_t* acc = a.acc + m * a.acc_stride;
  auto best = S::load(acc + window[0] * kLanes);
  for (int64_t w = 1; w < a.window; ++w) {
    const auto other = S::load(acc + window[w] * kLanes);
    best = falling ? S::min(best, other) : S::max(best, other);
  }
  return best;
}

/// Codes of one channel at one output, one in each 32-bit lane.
template <class S>
typename S::Ints requantized(const RequantizeArgs& a, int64_t output, int64_t m,
                             const typename S::Ints* skip_vector, int skip_byte) {
  const float factor = a.multiplier[m];
  const auto acc = window_extreme<S>(a, m, a.windows + output * a.window, factor < 0);
  auto y = S::multiply(S::add(S::to_float(acc), S::splat(a.bias[m])), S::splat(factor));
  if (skip_vector != nullptr) {
    const auto code = S::subtract(S::byte_of(*skip_vector, skip_byte), S::broadcast(a.skip_zero));
    y = S::fma(S::to_float(code), S::splat(a.skip_multiplier), y);
  }
  return S::add(S::round(S::clamp(y, S::splat(a.low), S::splat(a.high))), S::broadcast(a.dst_zero));
}

template <class S>
void requantize_any(const RequantizeArgs& a) {
  for (int64_t o = 0; o < a.outputs; ++o) {
    const int64_t dst = a.dst_first + a.dst_elements[o];
    const int64_t skip = a.skip != nullptr ? a.skip_first + a.skip_elements[o] : 0;
    for (int64_t m = 0; m < a.block;) {
      const int64_t element = dst + m;
      uint8_t* vector = a.dst + element / 4 * kVectorBytes;
      const bool whole =
          element % 4 == 0 && m + 4 <= a.block && (a.skip == nullptr || (skip + m) % 4 == 0);
      typename S::Ints skip_vector{};
      if (a.skip != nullptr) skip_vector = S::load_vector(a.skip + (skip + m) / 4 * kVectorBytes);
      const auto* skip_codes = a.skip != nullptr ? &skip_vector : nullptr;
      if (whole) {
        const auto c0 = requantized<S>(a, o, m, skip_codes, 0);
        const auto c1 = requantized<S>(a, o, m + 1, skip_codes, 1);
        const auto c2 = requantized<S>(a, o, m + 2, skip_codes, 2);
        const auto c3 = requantized<S>(a, o, m + 3, skip_codes, 3);
        S::store_vector(vector, S::pack(c0, c1, c2, c3));
        m += 4;
      } else {
        const auto code = requantized<S>(a, o, m, skip_codes, static_cast<int>((skip + m) % 4));
        S::store_byte(vector, static_cast<int>(element % 4), code);
        ++m;
      }
    }
  }
}

template <class S>
int64_t peak_any(int64_t rounds) {
  constexpr unsigned kChains = S::kPeakChains;
  alignas(kVectorBytes) uint8_t codes[kVectorBytes] = {1};
  alignas(kVectorBytes) int32_t sums[kLanes];
  typename S::Ints acc[kChains];
#pragma GCC unroll 16
  for (unsigned c = 0; c < kChains; ++c) acc[c] = S::broadcast(static_cast<int32_t>(c));
  const auto weight = S::template weight<false>(0x01010101);
  for (int64_t r = 0; r < rounds; ++r) {
    asm volatile("" : : "r"(codes) : "memory");  // loads stay inside the loop
    const auto vector = S::template codes<false>(codes);
#pragma GCC unroll 16
    for (unsigned c = 0; c < kChains; ++c) {
      acc[c] = S::template dot<false>(acc[c], vector, weight);
    }
  }
#pragma GCC unroll 16
  for (unsigned c = 0; c < kChains; ++c) {
    S::store(sums, acc[c]);
    asm volatile("" : : "r"(sums) : "memory");
  }
  return rounds * kChains * kVectorBytes;
}

}  // namespace
}  // namespace flatenn::engine::lanes
