#pragma once

#include <cstdint>

/// Integer products over images in SIMD lanes.
///
/// Sixteen images stand side by side: a *vector* is 64 bytes, [16 images][4 codes], and holds four
/// consecutive codes of a row for each image, codes of a row running over [x][channel]. A window's
/// row is then a run of vectors, a weight is the same for all lanes, and no channel count leaves
/// lanes idle. Codes are unsigned bytes; signed ones are stored with 128 added.
namespace flatenn::engine::lanes {

inline constexpr int kLanes = 16;
inline constexpr int kVectorBytes = 64;
/// Output channels that one call of `dot` computes.
inline constexpr int kMaxBlock = 6;

/// Vectors that follow one another in memory, as a window meets them.
struct Segment {
  int64_t offset = 0;  ///< In bytes from the window's first vector.
  int64_t vectors = 0;
};

/// For every position p, channel m and lane i:
///   acc[m][slots[p]][i] = init[m] + sum over segments, vectors k and bytes b of
///       src[offsets[p] + segment.offset + 64 k + 4 i + b] * byte b of weights[k over all][m]
/// with the weight's bytes signed. Sums wrap at 32 bits.
struct DotArgs {
  const uint8_t* src = nullptr;
  const int64_t* offsets = nullptr;  ///< [positions]
  const int32_t* slots = nullptr;    ///< [positions]
  int64_t positions = 0;
  const Segment* segments = nullptr;
  int64_t segment_count = 0;
  const int32_t* weights = nullptr;  ///< [vectors of all segments][block]
  const int32_t* init = nullptr;     ///< [block]
  int64_t block = 0;                 ///< Channels, 1 to kMaxBlock.
  int32_t* acc = nullptr;            ///< [block][acc_stride / 16][16]
  int64_t acc_stride = 0;            ///< int32s from one channel to the next.
  /// Two products of a code and a weight may leave 16 bits; slower without VNNI.
  bool wide = false;
};

/// For every output o, channel m and lane i, with v the largest of acc[m][windows[o][..]][i] where
/// multiplier[m] >= 0 and the smallest elsewhere:
///   y = (float(v) + bias[m]) * multiplier[m]
///   y = fma(skip code - skip_zero, skip_multiplier, y), where there is a skip
///   dst code = round-half-even(clamp(y, low, high)) + dst_zero
/// Elements count codes from the tensor's first vector: element e of image i is byte
/// 64 (e / 4) + 4 i + e % 4.
struct RequantizeArgs {
  const int32_t* acc = nullptr;
  int64_t acc_stride = 0;
  int64_t block = 0;
  const float* bias = nullptr;        ///< [block]
  const float* multiplier = nullptr;  ///< [block]
  float low = 0;
  float high = 0;
  int64_t outputs = 0;
  const int32_t* windows = nullptr;  ///< [outputs][window]: slots
  int64_t window = 1;
  uint8_t* dst = nullptr;
  const int64_t* dst_elements = nullptr;  ///< [outputs], counted from dst_first.
  int64_t dst_first = 0;                  ///< Element of the block's first channel.
  int32_t dst_zero = 0;
  const uint8_t* skip = nullptr;           ///< Null: none.
  const int64_t* skip_elements = nullptr;  ///< [outputs], counted from skip_first.
  int64_t skip_first = 0;
  float skip_multiplier = 0;
  int32_t skip_zero = 0;
};

/// Runs `rounds` rounds of independent vector products from registers and L1, as fast as this
/// instruction set goes, and returns the multiply-accumulates done.
using Peak = int64_t (*)(int64_t rounds);
using Dot = void (*)(const DotArgs&);
using Requantize = void (*)(const RequantizeArgs&);

#define FLATENN_LANES_KERNEL(isa, name)                     \
  void dot_u8s8s32_##name(const DotArgs& args);             \
  void requantize_s32u8_##name(const RequantizeArgs& args); \
  int64_t peak_u8s8s32_##name(int64_t rounds);
#include "engine/kernels/lanes/kernels.inc"
#undef FLATENN_LANES_KERNEL

}  // namespace flatenn::engine::lanes
