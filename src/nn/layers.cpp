#include "flatenn/nn/layers.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"
#include "nn/conv_pool.h"
#include "nn/file_quantizer.h"
#include "nn/windows.h"

namespace flatenn::nn {
namespace {

/// The contract's bounds of a frozen bias and of batch norm's factor.
constexpr double kBiasLimit = 1073741824.0;  // 2^30
constexpr double kLeastFactor = 1e-12;
/// Of biases of other tools' networks, which may use all of their 32 bits.
constexpr double kStoredBiasLimit = 2147483647.0;
/// Whole numbers below it are exact in float32, and so are their sums.
constexpr double kExactInFloat = 16777216.0;  // 2^24

std::vector<int64_t> weight_shape(const LayerSpec& spec) {
  if (spec.kind == net::LayerKind::kLinear) return {spec.out_channels, spec.in_channels};
  return {spec.out_channels, spec.in_channels / spec.groups, spec.window.kernel_height,
          spec.window.kernel_width};
}

/// Uniform in +-sqrt(3 gain / fan_in): variance gain / fan_in, with gain 2 before a ReLU (He et
/// al., arXiv:1502.01852, eq. 10) and 1 otherwise.
torch::Tensor initial_weight(const LayerSpec& spec, uint64_t seed, uint64_t index) {
  torch::Tensor weight = torch::empty(weight_shape(spec));
  const double fan_in = static_cast<double>(weight[0].numel());
  const double bound = std::sqrt(3 * (spec.relu ? 2 : 1) / fan_in);
  RandomStream stream(seed, 0, RandomPurpose::kInitialization, index);
  float* values = weight.data_ptr<float>();
  for (int64_t i = 0; i < weight.numel(); ++i)
    values[i] = static_cast<float>((2 * stream.uniform() - 1) * bound);
  return weight;
}

/// [C] -> [C, 1, 1] for feature maps; a single element and rows of features stay.
torch::Tensor per_channel(const torch::Tensor& values, int64_t dims) {
  if (values.numel() == 1 || dims == 2) return values;
  return values.view({-1, 1, 1});
}

/// [O] -> [O, 1, ...], beside a weight of so many dimensions.
torch::Tensor over_first(const torch::Tensor& values, int64_t dims) {
  std::vector<int64_t> shape(static_cast<size_t>(dims), 1);
  shape[0] = values.numel();
  return values.view(shape);
}

void check_groups(const LayerSpec& spec) {
  FLATENN_CHECK(spec.groups >= 1 && spec.in_channels % spec.groups == 0 &&
                    spec.out_channels % spec.groups == 0,
                "layer ", spec.name, ": channels ", spec.in_channels, " and ", spec.out_channels,
                " must be multiples of groups ", spec.groups);
}

/// Stored biases in real units, float64 [out].
torch::Tensor real_biases(const net::Layer& layer, const net::Activation& src) {
  torch::Tensor result = torch::empty({std::ssize(layer.bias)}, torch::kFloat64);
  double* out = result.data_ptr<double>();
  for (size_t c = 0; c < layer.bias.size(); ++c) {
    const double unit = static_cast<double>(src.scale) *
                        static_cast<double>(layer.weights.scale(static_cast<int64_t>(c)));
    out[c] = layer.bias[c] * unit;
  }
  return result;
}

/// The greatest |input code| where sums of products could reach 2^24, else 0.
double reach_of_input(const net::Layer& layer, const net::Activation& src) {
  const net::Weights& w = layer.weights;
  const int reach = std::max(src.max_code() - src.zero_point, src.zero_point - src.min_code());
  const int value = 1 << w.bits;  // with any zero point or map
  const double most = static_cast<double>(w.fan_in()) * value * reach;
  return most < kExactInFloat ? 0 : reach;
}

}  // namespace

net::Window square_window(int64_t kernel, int64_t stride, int64_t pad) {
  net::Window window;
  window.set_kernel(kernel);
  window.set_stride(stride);
  window.set_pad(pad);
  return window;
}

QuantLayerImpl::QuantLayerImpl(const LayerSpec& spec, bool quantized,
                               const WeightQuantizerOptions& quant, uint64_t seed, uint64_t index)
    : spec_(spec), bias_limit_(kBiasLimit) {
  check_groups(spec);
  weight = register_parameter("weight", initial_weight(spec, seed, index));
  const int64_t out = spec.out_channels;
  if (spec.bias) bias = register_parameter("bias", torch::zeros({out}));
  if (spec.batch_norm) {
    gamma = register_parameter("gamma", torch::ones({out}));
    beta = register_parameter("beta", torch::zeros({out}));
    running_mean = register_buffer("running_mean", torch::zeros({out}));
    running_var = register_buffer("running_var", torch::ones({out}));
  }
  if (!quantized) return;
  WeightQuantizerOptions options = quant;
  options.keep_spread = !spec.batch_norm;
  quantizer = register_module("quantizer", make_weight_quantizer(options, weight));
}

QuantLayerImpl::QuantLayerImpl(const LayerSpec& spec, const net::Layer& from,
                               const net::Activation& src, bool learned)
    : spec_(spec), input_reach_(reach_of_input(from, src)), bias_limit_(kStoredBiasLimit) {
  check_groups(spec);
  weight = register_parameter("weight",
                              latent_weights(from.weights, spec.kind == net::LayerKind::kLinear));
  const torch::Tensor biases = real_biases(from, src);
  bias = register_parameter("bias", biases.to(torch::kFloat32));
  bias_rest = register_buffer("bias_rest", biases - bias.detach().to(torch::kFloat64));
  quantizer = register_module("quantizer", make_file_quantizer(from.weights, learned));
}

torch::Tensor QuantLayerImpl::product(const torch::Tensor& x, const torch::Tensor& w,
                                      const torch::Tensor& b) const {
  if (spec_.kind == net::LayerKind::kLinear) return at::linear(x.flatten(1), w, b);
  return convolve(x, w, b, spec_.window, spec_.groups);
}

torch::Tensor QuantLayerImpl::effective_weight() {
  torch::Tensor q = quantized() ? quantizer->forward(weight) : weight;
  if (keep_quantized_weight) quantized_weight = q.detach();
  if (perturbation.defined()) q = q + perturbation;
  if (value_change.defined()) {
    const torch::Tensor step = quantizer->step(weight);
    q = q + value_change * (step.numel() == 1 ? step : over_first(step, q.dim()));
  }
  if (!quantized() || !quantizer->gain.defined()) return q;
  const torch::Tensor& gain = quantizer->gain;
  return q * (gain.numel() == 1 ? gain : over_first(gain, q.dim()));
}

torch::Tensor QuantLayerImpl::multiply(const torch::Tensor& x) {
  return product(x.to(compute_type), effective_weight().to(compute_type),
                 bias.defined() ? bias.to(compute_type) : bias);
}

BatchNorm QuantLayerImpl::batch_norm() const {
  const bool use_running = !is_training() || track_statistics;
  return {.gamma = gamma,
          .beta = beta,
          .running_mean = use_running ? running_mean : torch::Tensor(),
          .running_var = use_running ? running_var : torch::Tensor(),
          .momentum = kBatchNormMomentum,
          .epsilon = kBatchNormEpsilon};
}

torch::Tensor QuantLayerImpl::forward(const torch::Tensor& x) { return normalize(multiply(x)); }

torch::Tensor QuantLayerImpl::normalize(const torch::Tensor& y) const {
  if (!spec_.batch_norm) return y;
  const BatchNorm norm = batch_norm();
  return at::batch_norm(y, norm.gamma, norm.beta, norm.running_mean, norm.running_var,
                        is_training(), norm.momentum, norm.epsilon,
                        at::globalContext().userEnabledCuDNN());
}

bool QuantLayerImpl::can_pool(const LayerSpec& pool, const torch::Tensor& x) const {
  return !spec_.batch_norm && covers_conv_max_pool(spec_, pool, x);
}

torch::Tensor QuantLayerImpl::forward_pooled(const torch::Tensor& x) {
  return conv_max_pool(x, effective_weight(), bias, spec_.pad());
}

torch::Tensor QuantLayerImpl::accumulate_pooled(const torch::Tensor& codes,
                                                const torch::Tensor& values) const {
  return conv_max_pool(codes, values, {}, spec_.pad());
}

torch::Tensor QuantLayerImpl::accumulate(const torch::Tensor& codes,
                                         const torch::Tensor& values) const {
  if (input_reach_ > 0 &&
      values.abs().flatten(1).sum(1, false, torch::kFloat64).max().item<double>() * input_reach_ >=
          kExactInFloat)
    return product(codes.to(torch::kFloat64), values.to(torch::kFloat64), {});
  return product(codes, values, {});
}

FoldedLayer QuantLayerImpl::fold(const torch::Tensor& input_scale) const {
  FLATENN_CHECK(quantized(), "layer ", spec_.name, ": only a quantized layer can be folded");
  const torch::NoGradGuard no_grad;
  const QuantizedWeights quantized = quantizer->quantize(weight);
  const torch::TensorOptions exact = weight.options().dtype(torch::kFloat64).requires_grad(false);
  torch::Tensor factor = torch::ones({1}, exact);
  torch::Tensor shift =
      bias.defined() ? bias.to(torch::kFloat64) : torch::zeros({spec_.out_channels}, exact);
  if (bias_rest.defined()) shift = shift + bias_rest;
  torch::Tensor raised = torch::zeros({spec_.out_channels}, exact.dtype(torch::kBool));
  if (spec_.batch_norm) {
    factor = gamma / (running_var.to(torch::kFloat64) + kBatchNormEpsilon).sqrt();
    raised = factor.abs() < kLeastFactor;
    const torch::Tensor least =
        torch::where(factor < 0, torch::full_like(factor, -kLeastFactor), kLeastFactor);
    factor = torch::where(raised, least, factor);
    shift = (shift - running_mean) * factor + beta;
  }
  FoldedLayer folded;
  folded.codes = quantized.codes;
  folded.values = code_values(quantized.codes, quantized.value_map);
  folded.value_map = quantized.value_map;
  folded.scales = (quantized.scales * factor).to(torch::kFloat32);
  const torch::Tensor unit = input_scale.to(torch::kFloat64) * folded.scales.to(torch::kFloat64);
  torch::Tensor rounded = (shift / unit).round();
  if (bias_rest.defined()) rounded = torch::where(unit == 0, torch::zeros_like(rounded), rounded);
  folded.bias_clamped = rounded.abs() > bias_limit_;
  folded.bias = rounded.clamp(-bias_limit_, bias_limit_);
  folded.factor_raised = raised;
  return folded;
}

torch::Tensor requantized(const FoldedLayer& folded, const torch::Tensor& acc,
                          const torch::Tensor& input_scale, const torch::Tensor& output_scale) {
  const torch::Tensor multiplier =
      (input_scale.to(torch::kFloat64) * folded.scales.to(torch::kFloat64) / output_scale)
          .to(torch::kFloat32);
  const torch::Tensor bias = folded.bias.to(torch::kFloat32);
  return (acc.to(torch::kFloat32) + per_channel(bias, acc.dim())) *
         per_channel(multiplier, acc.dim());
}

}  // namespace flatenn::nn
