#pragma once

#include <torch/types.h>

#include <vector>

#include "flatenn/net/network.h"
#include "flatenn/nn/layers.h"

/// Layers that only choose among codes, on tensors.
namespace flatenn::nn {

/// [N, F] as the feature maps [N, C, H, W] that it holds; maps stay.
torch::Tensor as_maps(const torch::Tensor& x, const net::Shape& shape);

/// x [N, C, H, W] with element order[i] of each image in place i; the result has shape `out`.
/// `order` is int64, flat.
torch::Tensor reorder(const torch::Tensor& x, const torch::Tensor& order, const net::Shape& out);

/// A table of codes as tensors: float32 [rows, levels], a row for all channels or one for each.
struct CodeTable {
  torch::Tensor codes;   ///< Output's codes less its zero point.
  torch::Tensor slopes;  ///< Change of the output's code for one of the input's, around each.
};

/// The slope at a code is the mean over as many codes as lie around it between two steps of the
/// output: a table of few output codes is a staircase, whose own steps are 0 nearly everywhere.
CodeTable code_table(const LayerSpec& spec, const net::Activation& src, const net::Activation& dst);

/// Entries of rows ([rows, levels]) for x [N, C, H, W]: codes less their zero point, whole numbers;
/// `least` is the least of them.
torch::Tensor look_up(const torch::Tensor& rows, const torch::Tensor& x, int64_t least);

}  // namespace flatenn::nn
