#pragma once

#include <torch/types.h>

#include <vector>

#include "flatenn/net/fixed_point.h"

/// net/fixed_point.h on int64 tensors: the same integers, element by element.
namespace flatenn::nn {

/// Factors of one layer, [1] or one a channel, shaped to spread over what they multiply.
struct IntegerFactors {
  torch::Tensor multiplier;  ///< int64
  torch::Tensor shift;       ///< int64
};
/// `dims` of the tensor that is multiplied: 4 for maps [N, C, H, W], 2 for rows [N, C].
IntegerFactors integer_factors(const std::vector<net::FixedPoint>& factors, int64_t dims,
                               torch::Device device);

/// net::multiply
torch::Tensor multiply(const torch::Tensor& x, const IntegerFactors& factors);
/// net::multiply_once
torch::Tensor multiply_once(const torch::Tensor& x, const IntegerFactors& factors);
/// net::rounded_mean
torch::Tensor rounded_mean(const torch::Tensor& sum, const torch::Tensor& count);

}  // namespace flatenn::nn
