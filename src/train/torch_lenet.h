#pragma once

#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/nn/model.h"

/// golden/lenet_step.py in LibTorch's own layers and optimizers: a 4-bit LeNet-5, its quantizers
/// (LSQ, step in the log domain) and SGD, AdamW, SAM, SAQ and ASAQ, written from the papers.
/// Max-pooling picks among exact ties by the order in which a convolution sums, which differs
/// between processors: so whole steps are compared within one process.
namespace flatenn::train::testing {

inline torch::Tensor pattern(torch::IntArrayRef shape, double frequency, double phase) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const torch::Tensor i = torch::arange(count, torch::kFloat64);
  return torch::sin(frequency * i * i + phase * i + phase).view(shape);
}

/// Weights, biases and scales as golden/*.py fill theirs.
inline void fill_in_closed_form(nn::ModelImpl& model) {
  const torch::NoGradGuard no_grad;
  for (size_t k = 0; k < model.layers().size(); ++k) {
    nn::QuantLayerImpl& layer = *model.layers()[k];
    const auto number = static_cast<double>(k);
    const auto fan_in = static_cast<double>(layer.weight[0].numel());
    layer.weight.copy_(pattern(layer.weight.sizes(), 0.37 + 0.01 * number, 0.11) *
                       std::sqrt(3 / fan_in));
    layer.bias.fill_(0.01 * (number + 1));
    layer.quantizer->initialize(layer.weight);
  }
  for (size_t i = 1; i < model.quantizers().size(); ++i) {
    const auto& quantizer = model.quantizers()[i];
    if (!quantizer) continue;
    quantizer->initialize(torch::ones({1, 1}));
    quantizer->log_scale.fill_(std::log(quantizer->bits() < 8 ? 0.1 : 0.01));
  }
}

struct TorchLayer {
  std::vector<int64_t> shape;
  int bits = 4;
  int output_bits = 4;  ///< 0: logits.
  torch::Tensor weight, bias, log_scale, output_log_scale;
  torch::Tensor quantized;     ///< Weights of the last pass.
  torch::Tensor perturbation;  ///< Added to them, where defined.
};

class TorchLenet {
 public:
  static constexpr double kInputScale = 2.0 / 127;

  TorchLenet() {
    layers = {{{6, 1, 5, 5}, 8, 4},
              {{16, 6, 5, 5}, 4, 4},
              {{120, 400}, 4, 4},
              {{84, 120}, 4, 8},
              {{10, 84}, 8, 0}};
    for (size_t k = 0; k < layers.size(); ++k) {
      TorchLayer& layer = layers[k];
      const auto number = static_cast<double>(k);
      const torch::Tensor unit = pattern(layer.shape, 0.37 + 0.01 * number, 0.11);
      const auto fan_in = static_cast<double>(unit[0].numel());
      const double high = largest(layer.bits, true);
      layer.weight = leaf((unit * std::sqrt(3 / fan_in)).to(torch::kFloat32));
      layer.bias = leaf(torch::full({layer.shape[0]}, 0.01 * (number + 1)));
      layer.log_scale =
          leaf((2 * layer.weight.detach().abs().mean() / std::sqrt(high)).log().reshape({1}));
      if (layer.output_bits > 0) {
        layer.output_log_scale =
            leaf(torch::full({1}, std::log(layer.output_bits < 8 ? 0.1 : 0.01)));
      }
    }
  }

  torch::Tensor forward(torch::Tensor x) {
    x = (x / kInputScale).round().clamp(-128, 127) * kInputScale;
    for (size_t k = 0; k < layers.size(); ++k) {
      TorchLayer& layer = layers[k];
      const double high = largest(layer.bits, true);
      layer.quantized = quantize(layer.weight, layer.log_scale, -high - 1, high,
                                 static_cast<double>(layer.weight.numel()));
      if (layer.quantized.requires_grad()) layer.quantized.retain_grad();
      torch::Tensor w = layer.quantized;
      if (layer.perturbation.defined()) w = w + layer.perturbation;
      if (layer.shape.size() == 4) {
        const torch::Tensor y = torch::conv2d(x, w, layer.bias, 1, k == 0 ? 2 : 0);
        x = torch::max_pool2d(y, 2);
      } else {
        x = torch::nn::functional::linear(x.flatten(1), w, layer.bias);
      }
      if (layer.output_bits > 0) {
        x = quantize(x, layer.output_log_scale, 0, largest(layer.output_bits, false),
                     static_cast<double>(x[0].numel()));
      }
    }
    return x;
  }

  std::vector<TorchLayer> layers;

 private:
  static torch::Tensor leaf(const torch::Tensor& value) {
    return value.detach().clone().set_requires_grad(true);
  }
  static double largest(int bits, bool is_signed) {
    return (1 << (is_signed ? bits - 1 : bits)) - 1;
  }
  /// Straight-through rounding; the scale's gradient is made smaller (LSQ, arXiv:1902.08153).
  static torch::Tensor quantize(const torch::Tensor& x, const torch::Tensor& log_scale, double low,
                                double high, double elements) {
    const double factor = 1 / std::sqrt(elements * high);
    const torch::Tensor slow = log_scale.detach() + factor * (log_scale - log_scale.detach());
    const torch::Tensor scale = slow.exp();
    const torch::Tensor codes = (x / scale).clamp(low, high);
    return (codes + (codes.round() - codes).detach()) * scale;
  }
};

/// Torch's optimizer for one of the cases, with the settings of golden/lenet_step.py.
inline std::unique_ptr<torch::optim::Optimizer> torch_optimizer(const std::string& name,
                                                                TorchLenet& net) {
  std::vector<torch::Tensor> weights, biases, scales;
  for (const TorchLayer& layer : net.layers) {
    weights.push_back(layer.weight);
    biases.push_back(layer.bias);
    scales.push_back(layer.log_scale);
    if (layer.output_bits > 0) scales.push_back(layer.output_log_scale);
  }
  using torch::optim::OptimizerParamGroup;
  const auto groups = [&](auto of_weights, auto of_biases, auto of_scales) {
    return std::vector<OptimizerParamGroup>{
        {weights, std::make_unique<decltype(of_weights)>(of_weights)},
        {biases, std::make_unique<decltype(of_biases)>(of_biases)},
        {scales, std::make_unique<decltype(of_scales)>(of_scales)}};
  };
  if (name == "adam") {
    const torch::optim::AdamOptions plain(0.002);
    auto decayed = plain;
    auto slow = plain;
    return std::make_unique<torch::optim::Adam>(
        groups(decayed.weight_decay(0.1), plain, slow.lr(0.0004)), plain);
  }
  if (name == "adamw") {
    auto plain = torch::optim::AdamWOptions(0.002).weight_decay(0);
    auto decayed = plain;
    auto slow = plain;
    return std::make_unique<torch::optim::AdamW>(
        groups(decayed.weight_decay(0.1), plain, slow.lr(0.0004)), plain);
  }
  const auto plain = torch::optim::SGDOptions(0.1).momentum(0.9).nesterov(name == "nesterov");
  auto decayed = plain;
  auto slow = plain;
  return std::make_unique<torch::optim::SGD>(
      groups(decayed.weight_decay(0.01), plain, slow.lr(0.02)), plain);
}

/// One step; returns the loss before it.
inline double torch_step(const std::string& name, TorchLenet& net,
                         torch::optim::Optimizer& optimizer, const torch::Tensor& images,
                         const torch::Tensor& labels) {
  const auto backward = [&] {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::cross_entropy_loss(net.forward(images), labels);
    loss.backward();
    return loss.item<double>();
  };
  const double loss = backward();
  if (name == "sam" || name == "saq" || name == "asaq") {
    const double rho = name == "asaq" ? 0.5 : 0.1;
    constexpr double kEta = 0.01;
    std::vector<torch::Tensor> radii, gradients, saved;
    torch::Tensor squares = torch::zeros({});
    for (const TorchLayer& layer : net.layers) {
      const torch::Tensor& point = name == "sam" ? layer.weight : layer.quantized;
      gradients.push_back(point.grad().clone());
      radii.push_back(name == "asaq" ? point.detach().abs() + kEta : torch::ones_like(point));
      squares = squares + (radii.back() * gradients.back()).pow(2).sum();
    }
    const torch::Tensor norm = squares.sqrt() + 1e-12;
    for (size_t k = 0; k < net.layers.size(); ++k) {
      const torch::Tensor moved = rho * radii[k] * radii[k] * gradients[k] / norm;
      TorchLayer& layer = net.layers[k];
      saved.push_back(layer.weight.detach().clone());
      const torch::NoGradGuard no_grad;
      if (name == "sam") {
        layer.weight.add_(moved);
      } else {
        layer.perturbation = moved.detach();
      }
    }
    backward();
    for (size_t k = 0; k < net.layers.size(); ++k) {
      const torch::NoGradGuard no_grad;
      net.layers[k].weight.copy_(saved[k]);
      net.layers[k].perturbation = torch::Tensor();
    }
  }
  optimizer.step();
  return loss;
}

}  // namespace flatenn::train::testing
