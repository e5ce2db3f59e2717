#pragma once

#include <torch/types.h>

#include "flatenn/nn/layers.h"

/// Batch norm in training mode, a skip connection and the quantizer behind them as one operation on
/// a CUDA device.
///
/// Apart they move every map ten times between a convolution and the next, which takes longer there
/// than the convolutions do; together five to seven times.
namespace flatenn::nn {

/// Whether norm_quantize() covers this map: float32 or bfloat16 on a CUDA device, [N, C, H, W] with
/// channels innermost or [N, C], C a multiple of what 16 bytes hold.
bool covers_norm_quantize(const torch::Tensor& x);

/// fake_quantize(batch_norm(x) + skip), computed in float32 and rounded to x's type once;
/// differentiable once. `skip` has x's type and shape, or is undefined.
torch::Tensor norm_quantize(const torch::Tensor& x, const BatchNorm& norm,
                            const torch::Tensor& skip, const QuantizerInputs& quantizer);

}  // namespace flatenn::nn
