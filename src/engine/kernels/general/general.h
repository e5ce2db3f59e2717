#pragma once

#include <cstdint>

/// Products for networks of any layer kind. Activations are 16-bit words code - zero_point,
/// channels last, so that products are exact and padding is 0; weights are 16-bit words value -
/// zero point.
namespace flatenn::engine::general {

/// Output channels that are computed together, and elements of a packed weight's row.
inline constexpr int64_t kBlock = 16;
/// Output pixels come in multiples of tiles where they can.
inline constexpr int64_t kMostPixels = 12;

/// What becomes of the sums of one block of channels: with y = (float(acc) + bias) * multiplier,
/// and y = fma(skip, skip_multiplier, y) where there is a skip, max(y, low) and min(y, high).
struct Output {
  const float* bias = nullptr;        ///< [kBlock]
  const float* multiplier = nullptr;  ///< [kBlock]
  float low = 0;
  float high = 0;
  int64_t channels = kBlock;              ///< Of the block, that are written.
  const int32_t* dst_offsets = nullptr;   ///< [pixels]: elements.
  int16_t* dst = nullptr;                 ///< Rounded half to even.
  int32_t* sums = nullptr;                ///< Instead of all that: [pixels][kBlock], as they are.
  float* logits = nullptr;                ///< Instead of dst: unrounded.
  int64_t logit_stride = 1;               ///< Between channels.
  const int16_t* skip = nullptr;          ///< Null: none.
  const int32_t* skip_offsets = nullptr;  ///< [pixels]
  float skip_multiplier = 0;
};

/// acc[pixel][channel] = sum over taps and pairs of
///   src[offsets[pixel] + taps[tap] + 2 pair + i] * weights[tap][pair][channel][i],  i < 2.
struct DotArgs {
  const int16_t* src = nullptr;
  const int32_t* offsets = nullptr;  ///< [pixels]
  int64_t pixels = 0;
  const int32_t* taps = nullptr;
  int64_t tap_count = 0;
  int64_t pairs = 0;
  const int16_t* weights = nullptr;  ///< [tap][pair][kBlock][2]
  Output output;
};

/// Each channel by itself: acc[pixel][channel] = sum over taps of
///   src[offsets[pixel] + taps[tap] + channel] * weights[tap][channel]
/// for one block of channels.
struct DepthwiseArgs {
  const int16_t* src = nullptr;
  const int32_t* offsets = nullptr;  ///< [pixels]
  int64_t pixels = 0;
  const int32_t* taps = nullptr;
  int64_t tap_count = 0;             ///< Even: an odd one gets another tap of weight 0.
  const int16_t* weights = nullptr;  ///< [tap][kBlock]
  Output output;
};

/// Words of two activations, element by element: y = (a_scale * a) + (b_scale * b), or their
/// product; then y / scale, max(y, low), min(y, high), rounded half to even.
struct CombineArgs {
  const int16_t* a = nullptr;
  const int16_t* b = nullptr;
  int16_t* dst = nullptr;
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
  Output output;
};

#define FLATENN_GENERAL_KERNEL(isa, name)               \
  void dot_s16_##name(const DotArgs& args);             \
  void depthwise_s16_##name(const DepthwiseArgs& args); \
  void combine_s16_##name(const CombineArgs& args);     \
  void to_tiles_s16_##name(const ToTilesArgs& args);    \
  void from_tiles_s16_##name(const FromTilesArgs& args);
#include "engine/kernels/general/kernels.inc"
#undef FLATENN_GENERAL_KERNEL

}  // namespace flatenn::engine::general
