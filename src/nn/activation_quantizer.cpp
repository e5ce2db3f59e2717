#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/nn/quantizer.h"

namespace flatenn::nn {
namespace {

/// Scale of a tensor that was zero throughout the first batch.
constexpr double kLeastScale = 1e-6;

}  // namespace

ActivationQuantizerImpl::ActivationQuantizerImpl(int64_t bits, const Grid& grid)
    : bits_(bits), grid_(grid), is_signed_(grid.min_code < 0) {
  FLATENN_CHECK(bits >= 2 && bits <= 8, "activation quantizer: bits must be in [2, 8], got ", bits);
}

ActivationQuantizerImpl::ActivationQuantizerImpl(int64_t bits, bool is_signed, double fatrelu)
    : ActivationQuantizerImpl(bits,
                              is_signed ? Grid::signed_codes(bits) : Grid::unsigned_codes(bits)) {
  FLATENN_CHECK(fatrelu >= 0 && fatrelu < 1, "fatrelu must be in [0, 1), got ", fatrelu);
  fatrelu_ = fatrelu;
  log_scale = register_parameter("log_scale", torch::zeros({1}));
  initialized_ = register_buffer("initialized", torch::zeros({1}, torch::kUInt8));
  if (fatrelu > 0)
    least_log_scale_ = register_buffer("least_log_scale", torch::full({1}, std::log(kLeastScale)));
}

std::shared_ptr<ActivationQuantizerImpl> ActivationQuantizerImpl::fixed(int64_t bits,
                                                                        double scale) {
  FLATENN_CHECK(scale > 0, "activation quantizer: scale must be positive, got ", scale);
  std::shared_ptr<ActivationQuantizerImpl> quantizer(
      new ActivationQuantizerImpl(bits, Grid::signed_codes(bits)));
  quantizer->fixed_scale_ =
      quantizer->register_buffer("scale", torch::full({1}, scale, torch::kFloat32));
  quantizer->known_ready_ = true;
  return quantizer;
}

std::shared_ptr<ActivationQuantizerImpl> ActivationQuantizerImpl::of_codes(
    const net::Activation& codes, bool learned) {
  const Grid grid{codes.min_code() - codes.zero_point, codes.max_code() - codes.zero_point};
  std::shared_ptr<ActivationQuantizerImpl> quantizer(new ActivationQuantizerImpl(codes.bits, grid));
  quantizer->is_signed_ = codes.is_signed;
  quantizer->zero_point_ = codes.zero_point;
  quantizer->base_scale_ =
      quantizer->register_buffer("base_scale", torch::full({1}, codes.scale, torch::kFloat32));
  if (learned) {
    quantizer->log_scale = quantizer->register_parameter("log_scale", torch::zeros({1}));
  } else {
    quantizer->no_change_ = quantizer->register_buffer("no_change", torch::zeros({1}));
  }
  quantizer->known_ready_ = true;
  return quantizer;
}

torch::Tensor ActivationQuantizerImpl::floored_log_scale() const {
  return fatrelu_ > 0 ? torch::maximum(log_scale, least_log_scale_) : log_scale;
}

torch::Tensor ActivationQuantizerImpl::forward(const torch::Tensor& x, const Grid& within) {
  FLATENN_CHECK(initialized(), "activation quantizer: no scale yet; calibrate the model first");
  if (fixed_scale_.defined()) return codes(x) * fixed_scale_;
  const QuantizerInputs inputs = inputs_for(x, within);
  return fake_quantize(x, inputs.log_scale, within, inputs.gradient_scale, form_, inputs.base);
}

QuantizerInputs ActivationQuantizerImpl::inputs_for(const torch::Tensor& x,
                                                    const Grid& within) const {
  const double features = static_cast<double>(x.numel() / x.size(0));
  const int64_t greatest = base_scale_.defined() ? grid_.reach() : grid_.max_code;
  return {.log_scale = learned() ? floored_log_scale() : no_change_,
          .base = base_scale_,
          .grid = within,
          .gradient_scale = 1 / std::sqrt(features * static_cast<double>(greatest))};
}

torch::Tensor ActivationQuantizerImpl::codes(const torch::Tensor& x) const {
  const torch::NoGradGuard no_grad;
  // Divides, as engines do when they quantize images.
  return (x / scale())
      .clamp(static_cast<double>(grid_.min_code), static_cast<double>(grid_.max_code))
      .round();
}

void ActivationQuantizerImpl::initialize(const torch::Tensor& x) {
  if (!learned() || base_scale_.defined()) return;
  const torch::NoGradGuard no_grad;
  const torch::Tensor used = is_signed() ? x.abs() : x.clamp_min(0);
  const torch::Tensor count = is_signed() ? torch::full({}, double(x.numel())) : (x > 0).sum();
  const torch::Tensor mean = used.sum() / count.clamp_min(1).to(used.device());
  const double factor = 2 / std::sqrt(static_cast<double>(grid_.max_code));
  log_scale.copy_((mean * factor).clamp_min(kLeastScale).log());
  // Half a step is the threshold; the clip is greatest code * step.
  const double least_to_first = 2 * fatrelu_ * static_cast<double>(grid_.max_code);
  if (fatrelu_ > 0) least_log_scale_.copy_(log_scale + std::log(least_to_first));
  initialized_.fill_(1);
  known_ready_ = true;
}

torch::Tensor ActivationQuantizerImpl::scale() const {
  if (!base_scale_.defined()) return learned() ? floored_log_scale().detach().exp() : fixed_scale_;
  return learned() ? base_scale_ * log_scale.detach().exp() : base_scale_;
}

bool ActivationQuantizerImpl::initialized() const {
  if (!known_ready_) known_ready_ = initialized_.item<uint8_t>() != 0;
  return known_ready_;
}

}  // namespace flatenn::nn
