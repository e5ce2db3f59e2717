#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/nn/quantizer.h"

namespace flatenn::nn {
namespace {

/// Scale of a tensor that was zero throughout the first batch.
constexpr double kLeastScale = 1e-6;

}  // namespace

ActivationQuantizerImpl::ActivationQuantizerImpl(int64_t bits, bool is_signed)
    : bits_(bits), grid_(is_signed ? Grid::signed_codes(bits) : Grid::unsigned_codes(bits)) {
  FLATENN_CHECK(bits >= 2 && bits <= 8, "activation quantizer: bits must be in [2, 8], got ", bits);
  log_scale = register_parameter("log_scale", torch::zeros({1}));
  initialized_ = register_buffer("initialized", torch::zeros({1}, torch::kUInt8));
}

ActivationQuantizerImpl::ActivationQuantizerImpl(int64_t bits, bool is_signed, double fixed_scale)
    : bits_(bits), grid_(is_signed ? Grid::signed_codes(bits) : Grid::unsigned_codes(bits)) {
  FLATENN_CHECK(fixed_scale > 0, "activation quantizer: scale must be positive, got ", fixed_scale);
  fixed_scale_ = register_buffer("scale", torch::full({1}, fixed_scale, torch::kFloat32));
  known_ready_ = true;
}

torch::Tensor ActivationQuantizerImpl::forward(const torch::Tensor& x) {
  FLATENN_CHECK(initialized(), "activation quantizer: no scale yet; calibrate the model first");
  if (!learned()) {
    const torch::Tensor codes = quantize_codes(x, fixed_scale_, grid_);
    return codes * fixed_scale_;
  }
  const double features = static_cast<double>(x.numel() / x.size(0));
  const double gradient_scale = 1 / std::sqrt(features * static_cast<double>(grid_.max_code));
  return fake_quantize(x, log_scale, grid_, gradient_scale, form_);
}

void ActivationQuantizerImpl::initialize(const torch::Tensor& x) {
  if (!learned()) return;
  const torch::NoGradGuard no_grad;
  const torch::Tensor used = is_signed() ? x.abs() : x.clamp_min(0);
  const torch::Tensor count = is_signed() ? torch::full({}, double(x.numel())) : (x > 0).sum();
  const torch::Tensor mean = used.sum() / count.clamp_min(1).to(used.device());
  const double factor = 2 / std::sqrt(static_cast<double>(grid_.max_code));
  log_scale.copy_((mean * factor).clamp_min(kLeastScale).log());
  initialized_.fill_(1);
  known_ready_ = true;
}

torch::Tensor ActivationQuantizerImpl::scale() const {
  return learned() ? log_scale.detach().exp() : fixed_scale_;
}

bool ActivationQuantizerImpl::initialized() const {
  if (!known_ready_) known_ready_ = initialized_.item<uint8_t>() != 0;
  return known_ready_;
}

}  // namespace flatenn::nn
