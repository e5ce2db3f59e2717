#include "flatenn/analysis/latent_surface.h"

#include "flatenn/base/error.h"
#include "flatenn/train/freeze.h"

namespace flatenn::analysis {

torch::Tensor latent_weights(const nn::ModelImpl& model) {
  std::vector<torch::Tensor> parts;
  for (const auto& layer : model.layers()) parts.push_back(layer->weight.detach().reshape({-1}));
  return torch::cat(parts);
}

LatentSurface::LatentSurface(std::shared_ptr<nn::ModelImpl> model, engine::ImageCodes images,
                             std::vector<uint8_t> labels)
    : model_(std::move(model)), images_(std::move(images)), labels_(std::move(labels)) {
  FLATENN_CHECK(model_->options().quant.enabled,
                "landscape: the run is a float network, it has no quantized landscape");
  origin_ = latent_weights(*model_).clone();
}

LatentSurface::~LatentSurface() { set_weights(origin_); }

std::vector<std::vector<int64_t>> LatentSurface::shapes() const {
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& layer : model_->layers()) shapes.push_back(layer->weight.sizes().vec());
  return shapes;
}

void LatentSurface::set_weights(const torch::Tensor& flat) {
  const torch::NoGradGuard no_grad;
  int64_t offset = 0;
  for (const auto& layer : model_->layers()) {
    const int64_t size = layer->weight.numel();
    layer->weight.copy_(flat.slice(0, offset, offset + size).view(layer->weight.sizes()));
    offset += size;
  }
}

LossSurface LatentSurface::frozen() const {
  auto network = std::make_shared<net::Network>(train::freeze(*model_).network);
  return LossSurface(std::make_shared<TorchNetwork>(network), images_, labels_);
}

SurfaceValue LatentSurface::at(const torch::Tensor& move) {
  set_weights(origin_ + move);
  const LossSurface surface = frozen();
  return surface.value(surface.zero_move());
}

torch::Tensor LatentSurface::gradient() {
  set_weights(origin_);
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
