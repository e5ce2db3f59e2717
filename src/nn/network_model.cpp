// What a model takes from a frozen network that it is made from.
#include <ATen/Functions.h>

#include "flatenn/base/error.h"
#include "flatenn/nn/model.h"
#include "nn/from_network.h"
#include "nn/index.h"

namespace flatenn::nn {
namespace {

/// One value, or one a channel -> [1, 1, 1] or [C, 1, 1].
torch::Tensor by_channel(const std::vector<float>& values) {
  return torch::tensor(values).view({-1, 1, 1});
}

torch::Tensor half_away(const torch::Tensor& x) {
  const torch::Tensor exact = x.to(torch::kFloat64);
  return ((exact.abs() + 0.5).floor() * exact.sgn()).to(torch::kFloat32);
}

}  // namespace

void ModelImpl::add_layers_of_network() {
  const net::Network& network = *options_.network;
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    if (!spec.multiplies()) continue;
    const int64_t macs = multiply_accumulates(spec, shapes_[index(spec.dst)]);
    if (spec.twin >= 0) {
      layer_of_[i] = layer_of_[index(spec.twin)];
      macs_[index(layer_of_[i])] += macs;
      continue;
    }
    layer_of_[i] = std::ssize(layers_);
    layers_.push_back(register_module(
        module_name(spec.name),
        std::make_shared<QuantLayerImpl>(
            spec, network.layers[i], network.activations[index(spec.src)], !options_.keep_scales)));
    macs_.push_back(macs);
  }
}

void ModelImpl::add_quantizers_of_network() {
  const net::Network& network = *options_.network;
  const std::vector<bool> learnable = learnable_scales({graph_, shapes_}, owners_);
  quantizers_.resize(shapes_.size());
  const auto add = [&](int64_t activation, const std::string& name) {
    const net::Activation& codes = network.activations[index(activation)];
    if (owners_[index(activation)] != activation || codes.is_float) return;
    const bool learned = !options_.keep_scales && learnable[index(activation)];
    quantizers_[index(activation)] =
        register_module(module_name(name), ActivationQuantizerImpl::of_codes(codes, learned));
  };
  add(0, "image");
  for (const LayerSpec& spec : graph_) add(spec.dst, spec.name + "_out");
  const net::ImageTransform& image = network.image;
  if (image.raw_pixels) {
    const auto channels = index(shapes_[0].channels);
    FLATENN_CHECK(options_.mean.size() == channels && options_.std.size() == channels, "network ",
                  network.name,
                  ": takes raw pixels, so a model of it needs the data "
                  "set's mean and std of ",
                  channels, " channels");
    image_mean_ = register_buffer(module_name("image_mean"), by_channel(options_.mean));
    image_std_ = register_buffer(module_name("image_std"), by_channel(options_.std));
  }
  if (!image.factor.empty())
    image_factor_ = register_buffer(module_name("image_factor"), by_channel(image.factor));
  if (!image.shift.empty())
    image_shift_ = register_buffer(module_name("image_shift"), by_channel(image.shift));
}

torch::Tensor ModelImpl::image_codes(const torch::Tensor& images) const {
  if (!options_.network) return quantizers_[0]->codes(images);
  const torch::NoGradGuard no_grad;
  torch::Tensor x = images;
  // Pixels are whole numbers, which takes the rounding of normalization and back away.
  if (image_mean_.defined()) x = ((x * image_std_ + image_mean_) * 255).round();
  if (image_factor_.defined()) x = x * image_factor_;
  if (image_shift_.defined()) x = x + image_shift_;
  x = x / quantizers_[0]->scale();
  if (options_.network->image.half_away) x = half_away(x);
  const Grid& grid = quantizers_[0]->grid();
  return x.clamp(double(grid.min_code), double(grid.max_code)).round();
}

}  // namespace flatenn::nn
