#include "flatenn/analysis/directions.h"

#include <cmath>
#include <functional>
#include <numeric>

#include "flatenn/base/random.h"

namespace flatenn::analysis {
namespace {

using FilterRule =
    std::function<torch::Tensor(const torch::Tensor& filters, const torch::Tensor& weights)>;

/// Applies a rule to every layer's [O, fan-in] matrix.
torch::Tensor each_layer(const torch::Tensor& direction, const torch::Tensor& weights,
                         const std::vector<std::vector<int64_t>>& shapes, const FilterRule& rule) {
  std::vector<torch::Tensor> parts;
  int64_t offset = 0;
  for (const std::vector<int64_t>& shape : shapes) {
    const int64_t size =
        std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    const auto layer = [&](const torch::Tensor& flat) {
      return flat.slice(0, offset, offset + size).view({shape[0], -1});
    };
    parts.push_back(rule(layer(direction), layer(weights)).reshape({-1}));
    offset += size;
  }
  return torch::cat(parts);
}

torch::Tensor row_norms(const torch::Tensor& matrix) {
  return matrix.square().sum(1, /*keepdim=*/true).sqrt();
}

}  // namespace

torch::Tensor normal_direction(int64_t elements, uint64_t seed, uint64_t index) {
  RandomStream stream(seed, index, RandomPurpose::kDirection, 0, 2);
  torch::Tensor direction = torch::empty({elements});
  float* data = direction.data_ptr<float>();
  for (int64_t i = 0; i < elements; ++i) data[i] = static_cast<float>(stream.normal());
  return direction;
}

torch::Tensor filter_normalized(const torch::Tensor& direction, const torch::Tensor& weights,
                                const std::vector<std::vector<int64_t>>& shapes) {
  return each_layer(direction, weights, shapes,
                    [](const torch::Tensor& filters, const torch::Tensor& reference) {
                      return filters / row_norms(filters).clamp_min(1e-30) * row_norms(reference);
                    });
}

torch::Tensor filter_noise(const torch::Tensor& weights,
                           const std::vector<std::vector<int64_t>>& shapes, double relative,
                           uint64_t seed, uint64_t index) {
  const torch::Tensor noise = normal_direction(weights.numel(), seed, index).to(weights.device());
  return each_layer(noise, weights, shapes,
                    [relative](const torch::Tensor& filters, const torch::Tensor& reference) {
                      const double fan_in = static_cast<double>(filters.size(1));
                      return filters * row_norms(reference) * (relative / std::sqrt(fan_in));
                    });
}

double length(const torch::Tensor& direction) {
  return torch::norm(direction, 2, torch::kFloat64).item<double>();
}

}  // namespace flatenn::analysis
