#pragma once

#include <torch/types.h>

#include "flatenn/nn/layers.h"

/// A convolution with few channels and the 2x2 max pool behind it, as one operation on the CPU.
///
/// LibTorch spends most of a small network's step in such pairs: oneDNN pads channels to vectors,
/// and pooling and its gradient go through the whole map. Here pooling happens on rows still in
/// cache, and the gradient visits only the positions that won a window and let it through.
namespace flatenn::nn {

/// Whether conv_max_pool covers this pair: float32 on the CPU, 5x5, stride 1, one group, at most 16
/// channels in and 32 out, outputs up to 32 wide, pooling 2x2 with stride 2.
bool covers_conv_max_pool(const LayerSpec& conv, const LayerSpec& pool, const torch::Tensor& x);

/// max_pool2d(conv2d(x, weight, bias, stride 1, padding pad), 2); bias may be undefined.
/// Differentiable once in all three. Sums run in an order that does not depend on threads.
torch::Tensor conv_max_pool(const torch::Tensor& x, const torch::Tensor& weight,
                            const torch::Tensor& bias, int64_t pad);

}  // namespace flatenn::nn
