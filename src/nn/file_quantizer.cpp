#include "nn/file_quantizer.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace flatenn::nn {
namespace {

/// Of a latent weight to its code's value: by rounding alone, those at the ends of the grid would
/// seem to lie beyond, where there is no gradient.
constexpr float kJustInside = 1 - 1e-6F;

/// Geometric mean of the scales' magnitudes, without those that are 0.
float common_step(const net::Weights& weights) {
  if (weights.scales.size() == 1 && weights.scales[0] != 0) return std::abs(weights.scales[0]);
  double logs = 0;
  int64_t count = 0;
  for (const float scale : weights.scales) {
    if (scale == 0) continue;
    logs += std::log(std::abs(static_cast<double>(scale)));
    ++count;
  }
  return count == 0 ? 1.0F : static_cast<float>(std::exp(logs / static_cast<double>(count)));
}

/// One a channel, or [1] where all are equal.
std::vector<float> zero_points(const net::Weights& weights) {
  std::vector<float> result(weights.zero_points.begin(), weights.zero_points.end());
  if (result.empty()) return {0};
  if (std::adjacent_find(result.begin(), result.end(), std::not_equal_to<>()) == result.end())
    result.resize(1);
  return result;
}

/// Codes less the zero point, where all channels share one.
Grid shared_grid(const net::Weights& weights) {
  Grid grid = Grid::signed_codes(weights.bits, weights.value_map);
  const std::vector<float> zeros = zero_points(weights);
  if (zeros.size() > 1) return grid;
  grid.min_code -= static_cast<int64_t>(zeros[0]);
  grid.max_code -= static_cast<int64_t>(zeros[0]);
  return grid;
}

/// [out] -> [out, 1, ...] to spread over a weight; one element stays.
torch::Tensor spread(const torch::Tensor& values, int64_t dims) {
  if (values.numel() == 1) return values;
  std::vector<int64_t> shape(static_cast<size_t>(dims), 1);
  shape[0] = values.numel();
  return values.view(shape);
}

class FileQuantizer : public WeightQuantizerImpl {
 public:
  FileQuantizer(const net::Weights& weights, bool learned)
      : WeightQuantizerImpl({.bits = weights.bits, .per_channel = weights.scales.size() > 1},
                            shared_grid(weights)) {
    const torch::Tensor scales = torch::tensor(weights.scales);
    file_scale_ = register_buffer("file_scale", scales);
    step_ = register_buffer("step", torch::full_like(scales, common_step(weights)));
    if (learned) {
      log_scale = register_parameter("log_scale", torch::zeros_like(scales));
    } else {
      no_change_ = register_buffer("no_change", torch::zeros_like(scales));
    }
    if (!torch::equal(scales, step_)) gain = register_buffer("gain", scales / step_);
    if (const std::vector<float> zeros = zero_points(weights); zeros.size() > 1)
      zeros_ = register_buffer("zero_point", torch::tensor(zeros));
    may_invert_ = (scales < 0).any().item<bool>();
  }

  bool may_invert() const override { return may_invert_; }

  torch::Tensor forward(const torch::Tensor& weight) override {
    if (zeros_.defined()) return quantize_by_channel(weight);
    return fake_quantize(weight, change(), grid_, gradient_factor(weight), form_, step_);
  }

  QuantizedWeights quantize(const torch::Tensor& weight) const override {
    const torch::NoGradGuard no_grad;
    const torch::Tensor moved = change().exp();
    const torch::Tensor scale = step_ * moved;
    torch::Tensor codes;
    if (zeros_.defined()) {
      codes = steps_within_grid(weight.detach() / spread(scale, weight.dim())).round();
    } else {
      codes = quantize_codes(weight.detach(), scale, grid_);
    }
    return {codes, (file_scale_ * moved).to(torch::kFloat64), grid_.value_map};
  }

  torch::Tensor step(const torch::Tensor& weight) const override {
    const torch::Tensor scaled = change() * gradient_factor(weight);
    return step_ * (change().detach() + (scaled - scaled.detach())).exp();
  }

  void initialize(const torch::Tensor&) override {}

 private:
  const torch::Tensor& change() const { return log_scale.defined() ? log_scale : no_change_; }

  double gradient_factor(const torch::Tensor& weight) const {
    const int64_t elements = options_.per_channel ? weight[0].numel() : weight.numel();
    return 1 / std::sqrt(static_cast<double>(elements * grid_.reach()));
  }

  /// Each channel's own ends of the grid.
  torch::Tensor steps_within_grid(const torch::Tensor& u) const {
    const torch::Tensor zeros = spread(zeros_, u.dim());
    return at::clamp(u, grid_.min_code - zeros, grid_.max_code - zeros);
  }

  /// fake_quantize() over such ends, of elementary operations.
  torch::Tensor quantize_by_channel(const torch::Tensor& weight) const {
    const torch::Tensor scaled = change() * gradient_factor(weight);
    const torch::Tensor t = change().detach() + (scaled - scaled.detach());
    const torch::Tensor s = spread(step_ * t.exp(), weight.dim());
    const torch::Tensor u = steps_within_grid(weight / s);
    return (u + (u.round() - u).detach()) * s;
  }

  torch::Tensor file_scale_;  ///< float32, [1] or [out].
  torch::Tensor step_;        ///< Likewise, all equal.
  torch::Tensor no_change_;   ///< 0 in log_scale's place where scales stay.
  torch::Tensor zeros_;       ///< [out]; undefined where all channels share one.
  bool may_invert_ = false;
};

}  // namespace

std::shared_ptr<WeightQuantizerImpl> make_file_quantizer(const net::Weights& weights,
                                                         bool learned) {
  return std::make_shared<FileQuantizer>(weights, learned);
}

torch::Tensor latent_weights(const net::Weights& weights, bool linear) {
  const float step = common_step(weights) * kJustInside;
  torch::Tensor result = torch::empty(
      {weights.out_channels, weights.in_channels, weights.kernel_height, weights.kernel_width});
  float* out = result.data_ptr<float>();
  for (int64_t i = 0; i < weights.elements(); ++i) {
    const int8_t code = weights.codes[static_cast<size_t>(i)];
    out[i] = static_cast<float>(weights.value(code, i / weights.fan_in())) * step;
  }
  return linear ? result.view({weights.out_channels, weights.in_channels}) : result;
}

}  // namespace flatenn::nn
