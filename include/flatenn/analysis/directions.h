#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace flatenn::analysis {

/// Standard normal numbers of the given shapes, flat; a function of (seed, index) alone.
torch::Tensor normal_direction(int64_t elements, uint64_t seed, uint64_t index);

/// Scales each filter (output channel) of `direction` to the norm of the same filter of `weights`
/// (Li et al., arXiv:1712.09913, section 4). Both flat, in the order of `shapes` ([O, ...] each);
/// filters without weight become zero.
torch::Tensor filter_normalized(const torch::Tensor& direction, const torch::Tensor& weights,
                                const std::vector<std::vector<int64_t>>& shapes);

/// Gaussian noise whose expected norm in each filter is `relative` times the filter's norm.
torch::Tensor filter_noise(const torch::Tensor& weights,
                           const std::vector<std::vector<int64_t>>& shapes, double relative,
                           uint64_t seed, uint64_t index);

/// Euclidean norm, summed in double: on the CPU a float32 sum over millions of squares is off
/// by a thousandth and more.
double length(const torch::Tensor& direction);

}  // namespace flatenn::analysis
