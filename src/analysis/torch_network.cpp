#include "flatenn/analysis/torch_network.h"

#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/engine/devices.h"

namespace flatenn::analysis {
namespace {

namespace F = torch::nn::functional;

/// Rounds half to even; the derivative passes straight through.
class RoundThrough : public torch::autograd::Function<RoundThrough> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext*, const torch::Tensor& x) {
    return x.round();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return gradients;
  }
};

/// Without gradients the values of `y` are overwritten: one pass over memory less an operation.
torch::Tensor to_codes(torch::Tensor y, const net::Activation& dst) {
  if (!torch::GradMode::is_enabled()) return y.clamp_(dst.min_code(), dst.max_code()).round_();
  return RoundThrough::apply(y.clamp(dst.min_code(), dst.max_code()));
}

torch::Tensor rectified(torch::Tensor y) {
  return torch::GradMode::is_enabled() ? torch::relu(y) : y.relu_();
}

torch::Tensor value_tensor(const net::Weights& weights) {
  torch::Tensor values = torch::empty(
      {weights.out_channels, weights.in_channels, weights.kernel_height, weights.kernel_width});
  float* out = values.data_ptr<float>();
  for (size_t i = 0; i < weights.codes.size(); ++i) {
    out[i] = static_cast<float>(weights.value(weights.codes[i]));
  }
  return values;
}

torch::Tensor scale_tensor(const net::Weights& weights) {
  torch::Tensor scales = torch::empty({weights.out_channels, 1, 1, 1});
  for (int64_t channel = 0; channel < weights.out_channels; ++channel) {
    scales.data_ptr<float>()[channel] = weights.scale(channel);
  }
  return scales;
}

torch::Tensor bias_tensor(const std::vector<int32_t>& bias) {
  return torch::tensor(std::vector<int64_t>(bias.begin(), bias.end())).to(torch::kFloat32);
}

/// Real value of 1 in a channel's accumulator.
double accumulator_unit(const net::Network& network, const net::Layer& layer, int64_t channel) {
  return static_cast<double>(network.activations[static_cast<size_t>(layer.src)].scale) *
         static_cast<double>(layer.weights.scale(channel));
}

/// [O] shaped to broadcast over [n, O] or [n, O, h, w].
torch::Tensor per_channel(const torch::Tensor& values, const torch::Tensor& like) {
  return like.dim() == 4 ? values.view({1, -1, 1, 1}) : values.view({1, -1});
}

void check_is_there(torch::Device device) {
  if (device.is_cpu()) return;
  FLATENN_CHECK(torch::cuda::is_available(), "--device ", device.str(),
                ": this LibTorch finds no CUDA device; use --device cpu");
  const int64_t number = device.has_index() ? device.index() : 0;
  const std::string missing =
      engine::missing_devices({number}, static_cast<int64_t>(torch::cuda::device_count()));
  FLATENN_CHECK(missing.empty(), "--device ", device.str(), ": ", missing);
}

}  // namespace

TorchNetwork::TorchNetwork(std::shared_ptr<const net::Network> network, torch::Device device)
    : network_(std::move(network)), device_(device) {
  check_is_there(device);
  FLATENN_CHECK(
      network_->is_plain(), "network ", network_->name,
      ": holds zero points, sums, tables or uneven windows, which have no gradients here; "
      "eval, campaign, faults and cost take it");
  for (size_t i = 0; i < network_->layers.size(); ++i) {
    const net::Layer& layer = network_->layers[i];
    if (!layer.multiplies()) continue;
    weight_layers_.push_back(static_cast<int64_t>(i));
    values_.push_back(value_tensor(layer.weights).to(device));
    scales_.push_back(scale_tensor(layer.weights).to(device));
    weights_.push_back(values_.back() * scales_.back());
    biases_.push_back(bias_tensor(layer.bias).to(device));
    multipliers_.push_back(torch::tensor(net::multipliers(*network_, layer)).to(device));
  }
}

std::vector<std::vector<int64_t>> TorchNetwork::weight_shapes() const {
  std::vector<std::vector<int64_t>> shapes;
  for (const torch::Tensor& weight : weights_) shapes.push_back(weight.sizes().vec());
  return shapes;
}

int64_t TorchNetwork::parameter_count() const {
  int64_t count = 0;
  for (const torch::Tensor& weight : weights_) count += weight.numel();
  return count;
}

torch::Tensor TorchNetwork::flat_weights() const {
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& weight : weights_) parts.push_back(weight.reshape({-1}));
  return torch::cat(parts);
}

torch::Tensor TorchNetwork::rest() const {
  std::vector<float> rest;
  for (const net::Activation& activation : network_->activations) {
    if (!activation.is_float) rest.push_back(std::log(activation.scale));
  }
  for (const int64_t index : weight_layers_) {
    const net::Layer& layer = network_->layers[static_cast<size_t>(index)];
    for (size_t channel = 0; channel < layer.bias.size(); ++channel) {
      const double unit = accumulator_unit(*network_, layer, static_cast<int64_t>(channel));
      rest.push_back(static_cast<float>(layer.bias[channel] * unit));
    }
  }
  return torch::tensor(rest).to(device_);
}

std::shared_ptr<const TorchNetwork> TorchNetwork::with_rest(const torch::Tensor& rest) const {
  const torch::Tensor values = rest.to(torch::kCPU, torch::kFloat32).contiguous();
  const float* next = values.data_ptr<float>();
  auto network = std::make_shared<net::Network>(*network_);
  for (net::Activation& activation : network->activations) {
    if (!activation.is_float) activation.scale = std::exp(*next++);
  }
  auto moved = std::make_shared<TorchNetwork>(*this);  // tensors are shared
  for (size_t i = 0; i < weight_layers_.size(); ++i) {
    const net::Layer& layer = network->layers[static_cast<size_t>(weight_layers_[i])];
    std::vector<float> biases;
    for (size_t channel = 0; channel < layer.bias.size(); ++channel) {
      const double unit = accumulator_unit(*network, layer, static_cast<int64_t>(channel));
      biases.push_back(static_cast<float>(*next++ / unit));
    }
    moved->biases_[i] = torch::tensor(biases).to(device_);
    moved->multipliers_[i] = torch::tensor(net::multipliers(*network, layer)).to(device_);
  }
  moved->network_ = network;
  return moved;
}

torch::Tensor TorchNetwork::multiply(size_t index, const torch::Tensor& input,
                                     const torch::Tensor& move) const {
  const net::Layer& layer = network_->layers[static_cast<size_t>(weight_layers_[index])];
  const torch::Tensor values =
      move.defined() ? values_[index] + move / scales_[index] : values_[index];
  torch::Tensor acc = layer.kind == net::LayerKind::kLinear
                          ? torch::matmul(input.flatten(1), values.flatten(1).t())
                          : F::conv2d(input, values,
                                      F::Conv2dFuncOptions()
                                          .stride(layer.stride())
                                          .padding(layer.pad())
                                          .groups(layer.groups));
  const torch::Tensor bias = per_channel(biases_[index], acc);
  const torch::Tensor multiplier = per_channel(multipliers_[index], acc);
  if (!torch::GradMode::is_enabled()) return acc.add_(bias).mul_(multiplier);
  return (acc + bias) * multiplier;
}

torch::Tensor TorchNetwork::finish(const net::Layer& layer, torch::Tensor y,
                                   const torch::Tensor& skip) const {
  if (layer.skip >= 0) {
    // In double, so that the sum rounds once as the integer engines' fma does.
    const double factor = net::skip_multiplier(*network_, layer);
    y = (y.to(torch::kFloat64) + skip.to(torch::kFloat64) * factor).to(torch::kFloat32);
  }
  const net::Activation& dst = network_->activations[static_cast<size_t>(layer.dst)];
  if (layer.relu) y = rectified(std::move(y));
  return dst.is_float ? y : to_codes(std::move(y), dst);
}

torch::Tensor TorchNetwork::forward(const torch::Tensor& codes,
                                    const std::vector<torch::Tensor>& moves) const {
  FLATENN_CHECK(moves.empty() || moves.size() == weights_.size(), "TorchNetwork: expected ",
                weights_.size(), " moves, got ", moves.size());
  std::vector<torch::Tensor> activations(network_->activations.size());
  activations[0] = codes;
  size_t next_weight = 0;
  for (const net::Layer& layer : network_->layers) {
    const torch::Tensor& input = activations[static_cast<size_t>(layer.src)];
    torch::Tensor& output = activations[static_cast<size_t>(layer.dst)];
    if (layer.kind == net::LayerKind::kMaxPool) {
      output = torch::max_pool2d(input, layer.kernel(), layer.stride(), layer.pad());
    } else if (layer.kind == net::LayerKind::kAvgPool) {
      const auto area = static_cast<double>(layer.kernel() * layer.kernel());
      const torch::Tensor sums = torch::avg_pool2d(input, layer.kernel(), layer.stride()) * area;
      output = to_codes(sums * net::pool_multiplier(*network_, layer),
                        network_->activations[static_cast<size_t>(layer.dst)]);
    } else {
      const torch::Tensor move = moves.empty() ? torch::Tensor() : moves[next_weight];
      const torch::Tensor skip =
          layer.skip >= 0 ? activations[static_cast<size_t>(layer.skip)] : torch::Tensor();
      output = finish(layer, multiply(next_weight, input, move), skip);
      ++next_weight;
    }
  }
  const torch::Tensor& logits = activations[static_cast<size_t>(network_->layers.back().dst)];
  return logits.flatten(1);
}

}  // namespace flatenn::analysis
