#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "engine/cuda/requantize.h"
#include "engine/cuda/weight_layout.h"

/// The kernels beside the tensor cores': one thread an output, right for every shape. Tensors are
/// [image, y, x, channel] bytes with `pitch` bytes a pixel.
namespace flatenn::engine::cuda {

struct View {
  const uint8_t* data = nullptr;
  int channels = 0, height = 0, width = 0, pitch = 0;
  bool is_signed = false;
};

/// A sliding window.
struct Window {
  int height = 1, width = 1, stride = 1, pad = 0;
};

/// codes[image, c, y, x] to dst[image, y, x, c], padding channels 0.
void launch_pixels(const int8_t* codes, const View& dst, int64_t images, cudaStream_t stream);

/// dst[image, y, x, (ky * width + kx) * channels + c]: the window of every output pixel of a
/// convolution over `channels` x `height` x `width` images, 0 outside them.
struct ColumnsShape {
  int channels = 0, height = 0, width = 0;
  Window window;
};
void launch_columns(const int8_t* codes, const ColumnsShape& shape, const View& dst, int64_t images,
                    cudaStream_t stream);

struct DirectArgs {
  View src, dst, skip;
  const int8_t* weights = nullptr;  ///< [channel, ky, kx, input channel of the group]
  const ChannelFactor* factors = nullptr;
  float* logits = nullptr;  ///< Float output [image, channel, y, x]; null: codes to dst.
  Window window;
  int groups = 1;
  Requantize requantize;
};
void launch_conv_direct(const DirectArgs& args, int64_t images, cudaStream_t stream);

/// Padding takes no part in a maximum.
void launch_max_pool(const View& src, const View& dst, const Window& window, int64_t images,
                     cudaStream_t stream);
/// Rounds sum * requantize.skip_multiplier once.
void launch_avg_pool(const View& src, const View& dst, const Window& window,
                     const Requantize& requantize, int64_t images, cudaStream_t stream);

/// dst[i] = src[indices[i]], rows of `bytes`.
void launch_gather(const uint8_t* src, const int64_t* indices, int64_t count, int64_t bytes,
                   uint8_t* dst, cudaStream_t stream);

/// Writes changed weights into the packed ones, or with `golden` puts the fault-free ones back.
void launch_weight_writes(const WeightWrite* writes, int64_t count, const WeightLayout* layouts,
                          int layers, const int8_t* golden, int8_t* packed, cudaStream_t stream);
void launch_bias_writes(const BiasWrite* writes, int64_t count, const ChannelFactor* golden,
                        ChannelFactor* factors, cudaStream_t stream);

/// fault::CodeMask of one image of the batch.
struct MaskWrite {
  int32_t image = 0;
  int32_t element = 0;  ///< CHW row-major.
  uint8_t flip = 0;
  uint8_t set = 0;
  uint8_t clear = 0;
};
/// `planar`: the tensor is [image, channel, y, x] instead.
void launch_masks(const MaskWrite* masks, int64_t count, const View& tensor, int bits, bool planar,
                  cudaStream_t stream);

}  // namespace flatenn::engine::cuda
