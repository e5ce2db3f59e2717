#include <array>
#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/nn/quantizer.h"

namespace flatenn::nn {
namespace {

/// Keeps log(s) finite for a weight tensor of zeros.
constexpr double kLeastWeightScale = 1e-12;

constexpr int64_t kFewestBits = 2;
constexpr int64_t kMostBits = 8;

/// Step of the uniform quantizer with 2^b levels and least squared error for a standard normal, for
/// b = 2..8 (Max, "Quantizing for minimum distortion", IRE Trans. Inf. Theory 6, 1960).
/// tools/quantizer_baseline.py derives them anew.
constexpr std::array<double, 7> kGaussianStep = {0.9957, 0.5860,  0.3352, 0.1881,
                                                 0.1041, 0.05687, 0.03076};

/// Of kTied at 4 bits where none is given (docs/quantization.md).
constexpr double kTiedFactor = 0.3;

double gaussian_step(int64_t bits) {
  return kGaussianStep[static_cast<size_t>(bits - kFewestBits)];
}

/// mean|w|, [1], or [out] with per_channel.
torch::Tensor mean_magnitude(const torch::Tensor& weight, bool per_channel) {
  const torch::Tensor magnitude = weight.detach().abs();
  return per_channel ? magnitude.flatten(1).mean(1) : magnitude.mean().view({1});
}

class LsqQuantizer : public WeightQuantizerImpl {
 public:
  LsqQuantizer(const WeightQuantizerOptions& options, const torch::Tensor& weight)
      : WeightQuantizerImpl(options) {
    log_scale = register_parameter(
        "log_scale", torch::zeros({options.per_channel ? weight.size(0) : 1}, weight.options()));
    initialize(weight);
  }

  torch::Tensor forward(const torch::Tensor& weight) override {
    return fake_quantize(weight, log_scale, grid_, gradient_scale(weight), form_);
  }

  QuantizedWeights quantize(const torch::Tensor& weight) const override {
    const torch::Tensor scale = log_scale.detach().exp();
    return {quantize_codes(weight.detach(), scale, grid_), scale.to(torch::kFloat64),
            grid_.value_map};
  }

  void initialize(const torch::Tensor& weight) override {
    const torch::NoGradGuard no_grad;
    const double factor = 2 / std::sqrt(static_cast<double>(grid_.max_code));
    const torch::Tensor scale = mean_magnitude(weight, options_.per_channel) * factor;
    log_scale.copy_(scale.clamp_min(kLeastWeightScale).log());
  }
};

class TiedQuantizer : public WeightQuantizerImpl {
 public:
  explicit TiedQuantizer(const WeightQuantizerOptions& options) : WeightQuantizerImpl(options) {}

  torch::Tensor forward(const torch::Tensor& weight) override {
    return fake_quantize(weight, current_log_scale(weight), grid_, 1, form_);
  }

  QuantizedWeights quantize(const torch::Tensor& weight) const override {
    const torch::Tensor scale = current_log_scale(weight).exp();
    return {quantize_codes(weight.detach(), scale, grid_), scale.to(torch::kFloat64),
            grid_.value_map};
  }

  torch::Tensor step(const torch::Tensor& weight) const override {
    return current_log_scale(weight).exp();
  }

  void initialize(const torch::Tensor&) override {}

 private:
  torch::Tensor current_log_scale(const torch::Tensor& weight) const {
    const double factor = tied_factor_at(options_.tied_factor, options_.bits);
    return (mean_magnitude(weight, options_.per_channel) * factor)
        .clamp_min(kLeastWeightScale)
        .log();
  }
};

class LiqQuantizer : public WeightQuantizerImpl {
 public:
  LiqQuantizer(const WeightQuantizerOptions& options, const torch::Tensor& weight)
      : WeightQuantizerImpl(options) {
    log_scale = register_parameter(
        "log_scale", torch::zeros({options.per_channel ? weight.size(0) : 1}, weight.options()));
    if (options.keep_spread)
      gain = register_buffer("gain", torch::ones({1}, weight.options().requires_grad(false)));
    initialize(weight);
  }

  torch::Tensor forward(const torch::Tensor& weight) override {
    return fake_quantize(standardized(weight), log_scale, grid_, gradient_scale(weight), form_);
  }

  QuantizedWeights quantize(const torch::Tensor& weight) const override {
    const torch::Tensor scale = log_scale.detach().exp();
    const torch::Tensor codes = quantize_codes(standardized(weight.detach()), scale, grid_);
    const torch::Tensor exact = scale.to(torch::kFloat64);
    return {codes, gain.defined() ? exact * gain : exact, grid_.value_map};
  }

  /// The step that quantizes a Gaussian best; neighbouring levels differ by 2 s.
  void initialize(const torch::Tensor& weight) override {
    const torch::NoGradGuard no_grad;
    log_scale.fill_(std::log(gaussian_step(options_.bits) / 2));
    if (gain.defined()) gain.fill_(spread(weight));
  }

 private:
  static torch::Tensor spread(const torch::Tensor& weight) {
    return weight.detach().std().clamp_min(kLeastWeightScale);
  }
  /// Mean and spread are constants to the gradient, as in the authors' program.
  static torch::Tensor standardized(const torch::Tensor& weight) {
    return (weight - weight.detach().mean()) / spread(weight);
  }
};

}  // namespace

WeightQuantizerKind parse_weight_quantizer(const std::string& name) {
  if (name == "lsq") return WeightQuantizerKind::kLsq;
  if (name == "tied") return WeightQuantizerKind::kTied;
  if (name == "liq") return WeightQuantizerKind::kLiq;
  throw Error("weight quantizer: expected lsq, tied or liq, got \"" + name + "\"");
}

std::string to_string(WeightQuantizerKind kind) {
  switch (kind) {
    case WeightQuantizerKind::kLsq:
      return "lsq";
    case WeightQuantizerKind::kTied:
      return "tied";
    case WeightQuantizerKind::kLiq:
      return "liq";
  }
  FLATENN_ASSERT(false, "weight quantizer kind ", static_cast<int>(kind));
}

double tied_factor_at(double factor, int64_t bits) {
  return (factor > 0 ? factor : kTiedFactor) * gaussian_step(bits) / gaussian_step(4);
}

WeightQuantizerImpl::WeightQuantizerImpl(const WeightQuantizerOptions& options)
    : options_(options) {
  const bool odd = options.kind == WeightQuantizerKind::kLiq;
  const int64_t most = odd ? kMostBits - 1 : kMostBits;
  FLATENN_CHECK(options.bits >= kFewestBits && options.bits <= most, to_string(options.kind),
                " weight quantizer: bits must be in [2, ", most, "], got ", options.bits);
  FLATENN_CHECK(options.tied_factor >= 0,
                "tied weight quantizer: factor must not be negative, got ", options.tied_factor);
  grid_ = Grid::signed_codes(options.bits, odd ? net::ValueMap::kOdd : net::ValueMap::kCode);
}

torch::Tensor WeightQuantizerImpl::step(const torch::Tensor& weight) const {
  const torch::Tensor scaled = log_scale * gradient_scale(weight);
  return (log_scale.detach() + (scaled - scaled.detach())).exp();
}

double WeightQuantizerImpl::gradient_scale(const torch::Tensor& weight) const {
  const int64_t elements = options_.per_channel ? weight[0].numel() : weight.numel();
  return 1 / std::sqrt(static_cast<double>(elements * grid_.max_value()));
}

std::shared_ptr<WeightQuantizerImpl> make_weight_quantizer(const WeightQuantizerOptions& options,
                                                           const torch::Tensor& weight) {
  switch (options.kind) {
    case WeightQuantizerKind::kLsq:
      return std::make_shared<LsqQuantizer>(options, weight);
    case WeightQuantizerKind::kTied:
      return std::make_shared<TiedQuantizer>(options);
    case WeightQuantizerKind::kLiq:
      return std::make_shared<LiqQuantizer>(options, weight);
  }
  FLATENN_ASSERT(false, "weight quantizer kind ", static_cast<int>(options.kind));
}

}  // namespace flatenn::nn
