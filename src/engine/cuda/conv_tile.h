#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "engine/cuda/requantize.h"

/// Convolutions and matrix products as implicit matrix products on Hopper's byte tensor cores.
///
/// Activations are NHWC bytes, channels padded to a multiple of 16. One block computes 128 pixels,
/// a box of tile_n images x tile_y rows x tile_x columns, times kChannels output channels. For each
/// kernel tap and piece of `unit` input channels the copy engine brings a box of the input, shifted
/// and strided; what it reads outside the image is 0, which is the padding. A linear layer is a
/// convolution whose kernel covers its input.
namespace flatenn::engine::cuda {

constexpr int kTilePixels = 128;
constexpr int kStageBytes = 128;  ///< Of K, that one pipeline stage holds.

struct ConvTileArgs {
  CUtensorMap src;      ///< [n, y, x, c], boxes of the tile's pixels x unit, strided.
  CUtensorMap weights;  ///< [channel, k], boxes of kChannels x kStageBytes.
  CUtensorMap dst;      ///< [n, y, x, c], boxes of the tile's pixels x kChannels.
  CUtensorMap skip;     ///< As dst; read where has_skip.
  const ChannelFactor* factors = nullptr;  ///< [channels, padded to kChannels]
  float* logits = nullptr;                 ///< Float output [n, channel, y, x]; null: codes.
  Requantize requantize;
  int tile_x = 1, tile_y = 1, tile_n = 1;     ///< Pixels of a tile; their product is at most 128.
  int tiles_x = 1, tiles_y = 1, tiles_n = 1;  ///< Tiles that cover the output.
  int channel_tiles = 1;
  int stride = 1, pad = 0;
  int kernel_width = 1, taps = 1;
  int units = 1;  ///< taps x pieces of the input channels; taps run fastest.
  int src_image = 0, dst_image = 0, skip_image = 0;     ///< First image within each tensor.
  int images = 0, channels = 0, height = 0, width = 0;  ///< Of the output.
  bool has_skip = false;
};

constexpr int kMostLogitChannels = 64;  ///< The widest variant that can write logits.

/// Which kernel: `channels` is 16, 32, 64 or 128, `unit` 16, 32, 64 or 128.
struct ConvTileVariant {
  int channels = 64;
  int unit = 64;
  bool signed_src = false;
};

/// Enqueues the layer. The kernel may start before the previous one of the stream ends, and waits
/// for it before it reads.
void launch_conv_tile(const ConvTileVariant& variant, const ConvTileArgs& args,
                      cudaStream_t stream);

}  // namespace flatenn::engine::cuda
