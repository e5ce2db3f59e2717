#pragma once

#include <torch/types.h>

#include "flatenn/net/network.h"
#include "flatenn/nn/layers.h"

/// Convolutions and pools over net::Window: any stride, dilation and padding, also one that differs
/// from side to side. x is [N, C, H, W].
namespace flatenn::nn {

/// Grouped convolution; padding counts as 0. `bias` may be undefined.
torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& weight,
                       const torch::Tensor& bias, const net::Window& window, int64_t groups);

bool pads(const net::Window& window);

/// Padding never wins; what holds nothing else is -infinity.
torch::Tensor max_pool(const torch::Tensor& x, const net::Window& window);
/// Whether a window may hold padding alone.
bool may_miss_image(const net::Window& window);

/// Sum over each window; padding counts as 0.
torch::Tensor sum_pool(const torch::Tensor& x, const net::Window& window);

/// Elements of each window that lie in an image of this shape, float64 [H_out, W_out].
torch::Tensor window_counts(const net::Shape& image, const net::Window& window);

/// Height and width of the output. Throws Error naming the layer where the window is larger than
/// its input.
net::Shape window_output(const net::Shape& image, const LayerSpec& spec);

}  // namespace flatenn::nn
