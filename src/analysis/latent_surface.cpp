#include "flatenn/analysis/latent_surface.h"

#include <algorithm>

#include "flatenn/base/error.h"
#include "flatenn/train/freeze.h"

namespace flatenn::analysis {
namespace {

struct Named {
  torch::Tensor tensor;
  bool is_variance = false;
};

/// Parameters and statistics other than the layers' weights.
std::vector<Named> rest_of(const nn::ModelImpl& model) {
  std::vector<Named> rest;
  for (const auto& [name, tensor] : nn::named_state(model)) {
    const bool is_weight = std::any_of(
        model.layers().begin(), model.layers().end(),
        [&, &t = tensor](const auto& l) { return l->weight.data_ptr() == t.data_ptr(); });
    if (!is_weight && tensor.is_floating_point())
      rest.push_back({tensor, name.ends_with("running_var")});
  }
  return rest;
}

}  // namespace

torch::Tensor latent_weights(const nn::ModelImpl& model) {
  std::vector<torch::Tensor> parts;
  for (const auto& layer : model.layers()) parts.push_back(layer->weight.detach().reshape({-1}));
  return torch::cat(parts);
}

std::vector<std::vector<int64_t>> latent_shapes(const nn::ModelImpl& model) {
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& layer : model.layers()) shapes.push_back(layer->weight.sizes().vec());
  return shapes;
}

torch::Tensor latent_rest(const nn::ModelImpl& model) {
  std::vector<torch::Tensor> parts{torch::empty({0})};
  for (const Named& other : rest_of(model)) {
    const torch::Tensor flat = other.tensor.detach().reshape({-1}).to(torch::kFloat32);
    parts.push_back(other.is_variance ? flat.log() : flat);
  }
  return torch::cat(parts);
}

LatentSurface::LatentSurface(std::shared_ptr<nn::ModelImpl> model, engine::ImageCodes images,
                             std::vector<uint16_t> labels)
    : model_(std::move(model)), images_(std::move(images)), labels_(std::move(labels)) {
  FLATENN_CHECK(model_->options().quant.enabled,
                "landscape: the run is a float network, it has no quantized landscape");
  origin_ = latent_weights(*model_).clone();
  rest_ = latent_rest(*model_);
}

LatentSurface::~LatentSurface() { set(origin_, rest_); }

void LatentSurface::set(const torch::Tensor& weights, const torch::Tensor& rest) {
  const torch::NoGradGuard no_grad;
  int64_t offset = 0;
  for (const auto& layer : model_->layers()) {
    const int64_t size = layer->weight.numel();
    layer->weight.copy_(weights.slice(0, offset, offset + size).view(layer->weight.sizes()));
    offset += size;
  }
  offset = 0;
  for (const Named& other : rest_of(*model_)) {
    const int64_t size = other.tensor.numel();
    const torch::Tensor value = rest.slice(0, offset, offset + size).view(other.tensor.sizes());
    other.tensor.copy_(other.is_variance ? value.exp() : value);
    offset += size;
  }
}

LossSurface LatentSurface::frozen() const {
  auto network = std::make_shared<net::Network>(train::freeze(*model_).network);
  return LossSurface(std::make_shared<TorchNetwork>(network), images_, labels_);
}

SurfaceValue LatentSurface::at(const torch::Tensor& move) {
  const int64_t weights = origin_.numel();
  const bool rest_moves = move.numel() > weights;
  set(origin_ + move.slice(0, 0, weights), rest_moves ? rest_ + move.slice(0, weights) : rest_);
  const LossSurface surface = frozen();
  return surface.value(surface.zero_move());
}

torch::Tensor LatentSurface::gradient() {
  set(origin_, rest_);
  const LossSurface surface = frozen();
  std::vector<torch::Tensor> parts = surface.split(surface.gradient(surface.zero_move()));
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& layer = model_->layers()[i];
    if (!layer->gamma.defined()) continue;
    const torch::Tensor factor =
        layer->gamma.detach() / (layer->running_var + nn::QuantLayerImpl::kBatchNormEpsilon).sqrt();
    parts[i] = parts[i] * factor.view({-1, 1, 1, 1});
  }
  return surface.join(parts);
}

}  // namespace flatenn::analysis
