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

/// What requantizing one channel needs, in registers.
template <class S>
struct ChannelConstants {
  typename S::Floats bias, factor;
  bool falling;
  ChannelConstants(const RequantizeArgs& a, int64_t m)
      : bias(S::splat(a.bias[m])),
        factor(S::splat(a.multiplier[m])),
        falling(a.multiplier[m] < 0) {}
};

/// What all channels share.
template <class S>
struct LayerConstants {
  typename S::Floats low, high, skip_multiplier;
  typename S::Ints dst_zero, skip_zero;
  explicit LayerConstants(const RequantizeArgs& a)
      : low(S::splat(a.low)),
        high(S::splat(a.high)),
        skip_multiplier(S::splat(a.skip_multiplier)),
        dst_zero(S::broadcast(a.dst_zero)),
        skip_zero(S::broadcast(a.skip_zero)) {}
};

/// What the calls below know when they are compiled.
template <bool PooledValue, bool SkipValue, bool OffsetValue>
struct RequantizeTraits {
  static constexpr bool kPooled = PooledValue;
  static constexpr bool kSkip = SkipValue;
  static constexpr bool kOffset = OffsetValue;  ///< dst_zero or skip_zero is not 0.
};

/// Codes of one channel, one in each 32-bit lane.
template <class S, class Traits>
typename S::Ints requantized(const LayerConstants<S>& layer, const ChannelConstants<S>& channel,
                             const typename S::Ints& acc, const typename S::Ints& skip_vector,
                             int skip_byte) {
  auto y = S::multiply(S::add(S::to_float(acc), channel.bias), channel.factor);
  if constexpr (Traits::kSkip) {
    auto code = S::byte_of(skip_vector, skip_byte);
    if constexpr (Traits::kOffset) code = S::subtract(code, layer.skip_zero);
    y = S::fma(S::to_float(code), layer.skip_multiplier, y);
  }
  const auto code = S::round(S::clamp(y, layer.low, layer.high));
  if constexpr (Traits::kOffset) return S::add(code, layer.dst_zero);
  return code;
}

template <class S, class Traits>
typename S::Ints sum_at(const RequantizeArgs& a, int64_t output, int64_t m, bool falling) {
  const int32_t* window = a.windows + output * a.window;
  if constexpr (Traits::kPooled) return window_extreme<S>(a, m, window, falling);
  return S::load(a.acc + m * a.acc_stride + window[0] * kLanes);
}

/// One channel over all outputs.
template <class S, class Traits>
void requantize_channel(const RequantizeArgs& a, const LayerConstants<S>& layer, int64_t m) {
  const ChannelConstants<S> channel(a, m);
  typename S::Ints skip_vector{};
  int64_t skip = 0;
  for (int64_t o = 0; o < a.outputs; ++o) {
    const int64_t dst = a.dst_first + a.dst_elements[o] + m;
    if constexpr (Traits::kSkip) {
      skip = a.skip_first + a.skip_elements[o] + m;
      skip_vector = S::load_vector(a.skip + skip / 4 * kVectorBytes);
    }
    const auto acc = sum_at<S, Traits>(a, o, m, channel.falling);
    const auto code =
        requantized<S, Traits>(layer, channel, acc, skip_vector, static_cast<int>(skip % 4));
    S::store_byte(a.dst + dst / 4 * kVectorBytes, static_cast<int>(dst % 4), code);
  }
}

/// Four channels from m on over all outputs, a whole vector each.
template <class S, class Traits>
void requantize_four(const RequantizeArgs& a, const LayerConstants<S>& layer, int64_t m) {
  const ChannelConstants<S> channels[4] = {{a, m}, {a, m + 1}, {a, m + 2}, {a, m + 3}};
  typename S::Ints skip_vector{};
  for (int64_t o = 0; o < a.outputs; ++o) {
    const int64_t dst = a.dst_first + a.dst_elements[o] + m;
    if constexpr (Traits::kSkip) {
      const int64_t skip = a.skip_first + a.skip_elements[o] + m;
      skip_vector = S::load_vector(a.skip + skip / 4 * kVectorBytes);
    }
    typename S::Ints codes[4];
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const auto acc = sum_at<S, Traits>(a, o, m + c, channels[c].falling);
      codes[c] = requantized<S, Traits>(layer, channels[c], acc, skip_vector, c);
    }
    S::store_vector(a.dst + dst / 4 * kVectorBytes,
                    S::pack(codes[0], codes[1], codes[2], codes[3]));
  }
}

/// The channel from which on every fourth begins a vector at every output, of the skip too; 4 where
/// outputs disagree.
inline int64_t first_whole_vector(const RequantizeArgs& a) {
  const int64_t phase = (a.dst_first + a.dst_elements[0]) % 4;
  for (int64_t o = 0; o < a.outputs; ++o) {
    if ((a.dst_first + a.dst_elements[o]) % 4 != phase) return 4;
    if (a.skip != nullptr && (a.skip_first + a.skip_elements[o]) % 4 != phase) return 4;
  }
  return (4 - phase) % 4;
}

template <class S, class Traits>
void requantize_as(const RequantizeArgs& a) {
  const LayerConstants<S> layer(a);
  const int64_t whole = first_whole_vector(a);
  for (int64_t m = 0; m < a.block;) {
    if (m + 4 <= a.block && m % 4 == whole) {
      requantize_four<S, Traits>(a, layer, m);
      m += 4;
    } else {
      requantize_channel<S, Traits>(a, layer, m);
      ++m;
    }
  }
}

template <class S, bool Pooled, bool Skip>
void requantize_any(const RequantizeArgs& a) {
  a.dst_zero != 0 || a.skip_zero != 0 ? requantize_as<S, RequantizeTraits<Pooled, Skip, true>>(a)
                                      : requantize_as<S, RequantizeTraits<Pooled, Skip, false>>(a);
}

template <class S>
void requantize_any(const RequantizeArgs& a) {
  if (a.outputs == 0) return;
  if (a.skip != nullptr) {
    a.window > 1 ? requantize_any<S, true, true>(a) : requantize_any<S, false, true>(a);
  } else {
    a.window > 1 ? requantize_any<S, true, false>(a) : requantize_any<S, false, false>(a);
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
