#pragma once

#include <cstdint>

/// Products for networks of any layer kind, channels last. A word is code - zero_point, a value
/// weight code - zero_point; both products and their sums are exact.
namespace flatenn::engine::general {

/// How words and values are held: in 16 bits, as they are.
struct Words {
  using Code = int16_t;
  using Weight = int16_t;
  /// Products that one instruction adds to a sum.
  static constexpr int64_t kPack = 2;
  /// Whether codes are held above their least one instead of above the zero point.
  static constexpr bool kOffset = false;
};

/// In 8 bits: codes above the least one, so that none is negative, and values in as many parts as
/// they need. A sum then starts with the sum of its values times the word of the least code.
struct Bytes {
  using Code = uint8_t;
  using Weight = int8_t;
  static constexpr int64_t kPack = 4;
  static constexpr bool kOffset = true;
};

/// Output channels that are computed together, and elements of a packed weight's row.
inline constexpr int64_t kBlock = 16;
/// Output pixels come in multiples of tiles where they can.
inline constexpr int64_t kMostPixels = 12;

/// What becomes of the sums of one block of channels: with y = (float(acc) + bias) * multiplier,
/// and y = fma(skip, skip_multiplier, y) where there is a skip, max(y, low) and min(y, high); a
/// word.
template <class Store>
struct Output {
  using Code = typename Store::Code;
  const float* bias = nullptr;        ///< [kBlock]
  const float* multiplier = nullptr;  ///< [kBlock]
  float low = 0;
  float high = 0;
  int64_t channels = kBlock;             ///< Of the block, that are written.
  const int32_t* dst_offsets = nullptr;  ///< [pixels]: elements.
  Code* dst = nullptr;                   ///< Rounded half to even.
  int32_t least = 0;                     ///< Word that dst holds as 0.
  bool saturates = false;                ///< low and high are the bounds of Code, y is in 32 bits.
  int32_t* sums = nullptr;               ///< Instead of all that: [pixels][kBlock], as they are.
  float* logits = nullptr;               ///< Instead of dst: unrounded.
  int64_t logit_stride = 1;              ///< Between channels.
  const Code* skip = nullptr;            ///< Null: none.
  int32_t skip_least = 0;
  const int32_t* skip_offsets = nullptr;  ///< [pixels]
  float skip_multiplier = 0;
};

/// acc[pixel][channel] = start[channel] + sum over taps and packs of
///   src[offsets[pixel] + taps[tap] + kPack pack + i] * weights[tap][pack][channel][i],  i < kPack.
template <class Store>
struct DotArgs {
  const typename Store::Code* src = nullptr;
  const int32_t* offsets = nullptr;  ///< [pixels]
  int64_t pixels = 0;
  const int32_t* taps = nullptr;
  int64_t tap_count = 0;
  int64_t packs = 0;
  const typename Store::Weight* weights = nullptr;  ///< [tap][pack][kBlock][kPack]
  const int32_t* start = nullptr;                   ///< [kBlock]; null: zeros.
  Output<Store> output;
};

/// Each channel by itself: acc[pixel][channel] = start[channel] + sum over taps of
///   src[offsets[pixel] + taps[tap] + channel] * weights[tap / kPack][channel][tap % kPack]
/// for one block of channels.
template <class Store>
struct DepthwiseArgs {
  const typename Store::Code* src = nullptr;
  const int32_t* offsets = nullptr;  ///< [pixels]
  int64_t pixels = 0;
  const int32_t* taps = nullptr;
  int64_t tap_count = 0;  ///< Whole packs, filled up by taps of weight 0.
  /// Elements from a pixel to its right neighbour where each pack of taps is neighbours in a row
  /// and the last of it has weight 0; else 0.
  int64_t neighbour = 0;
  const typename Store::Weight* weights = nullptr;
  const int32_t* start = nullptr;
  Output<Store> output;
};

/// Words of two activations, element by element: y = (a_scale * a) + (b_scale * b), or their
/// product; then y / scale, max(y, low), min(y, high), rounded half to even.
template <class Store>
struct CombineArgs {
  const typename Store::Code* a = nullptr;
  const typename Store::Code* b = nullptr;
  typename Store::Code* dst = nullptr;
  int32_t a_least = 0;  ///< Words that they hold as 0.
  int32_t b_least = 0;
  int32_t dst_least = 0;
  int64_t count = 0;
  bool multiply = false;
  float a_scale = 1;
  float b_scale = 1;
  float scale = 1;
  float low = 0;
  float high = 0;
};

/// Places of a tile of 4x4 pixels, of which F(2x2, 3x3) makes 2x2 outputs.
inline constexpr int64_t kPlaces = 16;

/// Tiles d of pixels to B^T d B: words[place][tile][channel].
struct ToTilesArgs {
  const int16_t* src = nullptr;
  const int32_t* offsets = nullptr;  ///< [tiles]: of the upper left pixel.
  int64_t tiles = 0;
  int64_t row = 0;       ///< Words between rows of the source.
  int64_t channels = 0;  ///< Words of a pixel: whole blocks.
  int16_t* words = nullptr;
};

/// Sums m of one block of channels to A^T m A / 4, and what becomes of those.
struct FromTilesArgs {
  const int32_t* sums = nullptr;  ///< [kPlaces][tiles][kBlock]
  int64_t tiles = 0;
  const int32_t* pixels = nullptr;  ///< [tiles][4]: of the output; negative: outside.
  Output<Words> output;
};

#define FLATENN_GENERAL_KERNEL(isa, name)                      \
  void dot_s16_##name(const DotArgs<Words>& args);             \
  void depthwise_s16_##name(const DepthwiseArgs<Words>& args); \
  void combine_s16_##name(const CombineArgs<Words>& args);     \
  void to_tiles_s16_##name(const ToTilesArgs& args);           \
  void from_tiles_s16_##name(const FromTilesArgs& args);
#include "engine/kernels/general/kernels.inc"
#undef FLATENN_GENERAL_KERNEL

#if defined(__x86_64__)
void dot_u8s8_avx512vnni(const DotArgs<Bytes>& args);
void depthwise_u8s8_avx512vnni(const DepthwiseArgs<Bytes>& args);
void combine_u8_avx512vnni(const CombineArgs<Bytes>& args);
#endif

}  // namespace flatenn::engine::general
