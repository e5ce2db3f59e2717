#pragma once

#include <cstdint>

#include "engine/kernels/lanes/lanes.h"

/// Products of 16 channels x 64 codes x 16 images at once, as Intel's AMX computes them, over
/// images in SIMD lanes (see lanes.h). Sixteen vectors that follow one another are the right factor
/// as they stand, so codes need no packing; sums of a channel are a vector of sixteen images.
namespace flatenn::engine::lanes {

/// Output channels, and vectors of codes, of one product.
inline constexpr int kTileRows = 16;
inline constexpr int kTileBytes = kTileRows * kVectorBytes;

/// Makes codes of sums as `Requantize` does (lanes.h), of four channels at a time.
struct TileCodesArgs {
  const int32_t* acc = nullptr;  ///< [channels / 16, rounded up][outputs][16][16]
  int64_t outputs = 0;
  int64_t channels = 0;               ///< A multiple of 4.
  const float* bias = nullptr;        ///< [channels]
  const float* multiplier = nullptr;  ///< [channels]
  float low = 0;
  float high = 0;
  uint8_t* dst = nullptr;                 ///< Of the first channel; a whole vector begins there.
  const int64_t* dst_elements = nullptr;  ///< [outputs]: multiples of 4.
  int32_t dst_zero = 0;
  const uint8_t* skip = nullptr;           ///< Null: none.
  const int64_t* skip_elements = nullptr;  ///< [outputs]
  float skip_multiplier = 0;
  int32_t skip_zero = 0;
};

/// For every position p, channel m and lane i:
///   acc[m / 16][p][m % 16][i] = sum over steps s, k < 16 and b < 4 of
///       src[offsets[p] + steps[s] + 64 k + 4 i + b] * weights[m / 16][s][m % 16][4 k + b]
/// Sums wrap at 32 bits. Where a window's row ends inside a step, weights are 0 and codes are read
/// all the same.
struct TileDotArgs {
  const uint8_t* src = nullptr;
  const int64_t* offsets = nullptr;  ///< [positions], in bytes.
  int64_t positions = 0;             ///< 0: only `behind`.
  const int64_t* steps = nullptr;    ///< [step_count]: bytes from a window's first vector.
  int64_t step_count = 0;
  const int8_t* weights = nullptr;  ///< [channel_tiles][step_count][16][64]
  int64_t channel_tiles = 0;        ///< 1 or 2.
  int32_t* acc = nullptr;           ///< [channel_tiles][positions][16][16]
  /// Requantized meanwhile, since products leave the SIMD units idle: sums of an earlier call, laid
  /// out as those of this one. Null: none.
  const TileCodesArgs* behind = nullptr;
};

/// Needs tile registers to be in use on this thread.
using TileDot = void (*)(const TileDotArgs&);
/// Takes tile registers into use on this thread, or gives them back: a thread that keeps them is
/// slower to switch.
using UseTiles = void (*)(bool);

/// Weights of so many steps stay in L1, with the codes of some positions, while they meet all
/// positions: those of a 3x3 window over 64 channels.
inline constexpr int64_t kTileStepsTogether = 9;

/// For machines without such instructions, with tile registers in memory; slow.
void tile_dot_portable(const TileDotArgs& args);
void use_tiles_portable(bool on);
#if defined(__x86_64__)
/// Needs Isa::kAvx512Vnni; so does requantizing behind AMX's products, which this one tests.
void tile_dot_avx512vnni(const TileDotArgs& args);
/// Needs Isa::kAmx.
void tile_dot_amx(const TileDotArgs& args);
void use_tiles_amx(bool on);
int64_t peak_u8s8s32_amx(int64_t rounds);
#endif

}  // namespace flatenn::engine::lanes
