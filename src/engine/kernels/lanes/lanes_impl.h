#pragma once

#include "engine/kernels/lanes/lanes.h"

/// The kernels' loops over a SIMD type S, for inclusion by one source file an instruction set. S is
/// local to that file, so every instance is too. S offers
///   Ints, Floats (16 lanes), Codes (a vector as loaded), Weight (one weight of four bytes)
///   kTilePositions[block]: positions whose accumulators fit the registers
///   pack_unsigned(y0, y1, y2, y3, high): codes of four channels, limited to [0, high] and rounded
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
  ChannelConstants(float bias_value, float factor_value)
      : bias(S::splat(bias_value)), factor(S::splat(factor_value)), falling(factor_value < 0) {}
};

/// What all channels share.
template <class S>
struct LayerConstants {
  typename S::Floats low, high, skip_multiplier;
  typename S::Ints dst_zero, skip_zero;
  /// Of RequantizeArgs, or others with the same members.
  template <class Args>
  explicit LayerConstants(const Args& a)
      : low(S::splat(a.low)),
        high(S::splat(a.high)),
        skip_multiplier(S::splat(a.skip_multiplier)),
        dst_zero(S::broadcast(a.dst_zero)),
        skip_zero(S::broadcast(a.skip_zero)) {}
};

/// How codes are stored and limited.
enum class CodeRange {
  kUnsigned,  ///< From 0 on, of the skip too.
  kPlain,     ///< dst_zero and skip_zero are 0.
  kOffset,
};
template <class Args>
CodeRange code_range(const Args& a) {
  if (a.dst_zero != 0 || a.skip_zero != 0) return CodeRange::kOffset;
  return a.low == 0 ? CodeRange::kUnsigned : CodeRange::kPlain;
}

/// What the calls below know when they are compiled.
template <bool PooledValue, bool SkipValue, CodeRange RangeValue>
struct RequantizeTraits {
  static constexpr bool kPooled = PooledValue;
  static constexpr bool kSkip = SkipValue;
  static constexpr CodeRange kRange = RangeValue;
};

/// y of one channel, before it is limited and rounded.
template <class S, class Traits>
typename S::Floats scaled(const LayerConstants<S>& layer, const ChannelConstants<S>& channel,
                          const typename S::Ints& acc, const typename S::Ints& skip_vector,
                          int skip_byte) {
  const auto y = S::multiply(S::add(S::to_float(acc), channel.bias), channel.factor);
  if constexpr (!Traits::kSkip) return y;
  auto code = S::byte_of(skip_vector, skip_byte);
  if constexpr (Traits::kRange == CodeRange::kOffset) code = S::subtract(code, layer.skip_zero);
  return S::fma(S::to_float(code), layer.skip_multiplier, y);
}

/// Codes of one channel, one in each 32-bit lane.
template <class S, class Traits>
typename S::Ints code_of(const LayerConstants<S>& layer, const typename S::Floats& y) {
  const auto code = S::round(S::clamp(y, layer.low, layer.high));
  if constexpr (Traits::kRange != CodeRange::kOffset) return code;
  return S::add(code, layer.dst_zero);
}

/// Codes of four channels, four bytes in each 32-bit lane.
template <class S, class Traits>
typename S::Ints codes_of(const LayerConstants<S>& layer, const typename S::Floats* y) {
  if constexpr (Traits::kRange == CodeRange::kUnsigned) {
    return S::pack_unsigned(y[0], y[1], y[2], y[3], layer.high);
  } else {
    return S::pack(code_of<S, Traits>(layer, y[0]), code_of<S, Traits>(layer, y[1]),
                   code_of<S, Traits>(layer, y[2]), code_of<S, Traits>(layer, y[3]));
  }
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
  const ChannelConstants<S> channel(a.bias[m], a.multiplier[m]);
  typename S::Ints skip_vector{};
  int64_t skip = 0;
  for (int64_t o = 0; o < a.outputs; ++o) {
    const int64_t dst = a.dst_first + a.dst_elements[o] + m;
    if constexpr (Traits::kSkip) {
      skip = a.skip_first + a.skip_elements[o] + m;
      skip_vector = S::load_vector(a.skip + skip / 4 * kVectorBytes);
    }
    const auto y = scaled<S, Traits>(layer, channel, sum_at<S, Traits>(a, o, m, channel.falling),
                                     skip_vector, static_cast<int>(skip % 4));
    S::store_byte(a.dst + dst / 4 * kVectorBytes, static_cast<int>(dst % 4),
                  code_of<S, Traits>(layer, y));
  }
}

/// Four channels from m on over all outputs, a whole vector each.
template <class S, class Traits>
void requantize_four(const RequantizeArgs& a, const LayerConstants<S>& layer, int64_t m) {
  const auto channel = [&](int64_t c) { return ChannelConstants<S>(a.bias[c], a.multiplier[c]); };
  const ChannelConstants<S> channels[4] = {channel(m), channel(m + 1), channel(m + 2),
                                           channel(m + 3)};
  typename S::Ints skip_vector{};
  for (int64_t o = 0; o < a.outputs; ++o) {
    const int64_t dst = a.dst_first + a.dst_elements[o] + m;
    if constexpr (Traits::kSkip) {
      const int64_t skip = a.skip_first + a.skip_elements[o] + m;
      skip_vector = S::load_vector(a.skip + skip / 4 * kVectorBytes);
    }
    typename S::Floats y[4];
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const auto sum = sum_at<S, Traits>(a, o, m + c, channels[c].falling);
      y[c] = scaled<S, Traits>(layer, channels[c], sum, skip_vector, c);
    }
    S::store_vector(a.dst + dst / 4 * kVectorBytes, codes_of<S, Traits>(layer, y));
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
  switch (code_range(a)) {
    case CodeRange::kUnsigned:
      return requantize_as<S, RequantizeTraits<Pooled, Skip, CodeRange::kUnsigned>>(a);
    case CodeRange::kPlain:
      return requantize_as<S, RequantizeTraits<Pooled, Skip, CodeRange::kPlain>>(a);
    case CodeRange::kOffset:
      return requantize_as<S, RequantizeTraits<Pooled, Skip, CodeRange::kOffset>>(a);
  }
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
