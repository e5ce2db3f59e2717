#pragma once

#include <cstdint>

/// Winograd's minimal filtering F(2x2, 3x3) over images in SIMD lanes (see lanes.h), in integers:
/// two outputs a side from four inputs a side with 16 products instead of 36. Lavin and Gray, "Fast
/// Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section 4.1. Filters are
/// multiplied by 4, so that they stay integers; sums are then multiples of 4, and nothing rounds.
namespace flatenn::engine::lanes {

/// Transformed codes, or products, of a tile.
inline constexpr int kWinogradPlaces = 16;
/// Added to transformed codes, so that they are unsigned bytes.
inline constexpr int kWinogradOffset = 128;

/// For every tile t and vector k of its pixels' codes, with d the 4x4 bytes at
///   src[tiles[t] + y row_bytes + x pixel_bytes + 64 k + ...]
/// writes the bytes of B^T d B + 128, place p = 4 i + j, to
///   dst[p place_bytes + (t vectors + k) 64 + ...]
/// where B^T = (1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1).
struct WinogradInputArgs {
  const uint8_t* src = nullptr;
  const int64_t* tiles = nullptr;
  int64_t tile_count = 0;
  int64_t row_bytes = 0;
  int64_t pixel_bytes = 0;
  int64_t vectors = 0;  ///< A pixel.
  uint8_t* dst = nullptr;
  int64_t place_bytes = 0;
};

/// For every channel m, tile t and lane i, with P the 4x4 sums acc[m acc_stride + (p tile_count +
/// t) 16 + i] of places p, writes the four values of A^T P A / 4 to
///   out[m out_stride + (4 t + 2 y + x) 16 + i]
/// where A^T = (1 1 1 0; 0 1 -1 -1).
struct WinogradOutputArgs {
  const int32_t* acc = nullptr;
  int64_t acc_stride = 0;
  int64_t block = 0;  ///< Channels.
  int64_t tile_count = 0;
  int32_t* out = nullptr;
  int64_t out_stride = 0;
};

using WinogradInput = void (*)(const WinogradInputArgs&);
using WinogradOutput = void (*)(const WinogradOutputArgs&);

#define FLATENN_LANES_KERNEL(isa, name)                      \
  void winograd_input_##name(const WinogradInputArgs& args); \
  void winograd_output_##name(const WinogradOutputArgs& args);
#include "engine/kernels/lanes/kernels.inc"
#undef FLATENN_LANES_KERNEL

}  // namespace flatenn::engine::lanes
