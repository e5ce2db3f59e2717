#pragma once

#include <memory>
#include <vector>

#include "flatenn/analysis/landscape.h"
#include "flatenn/engine/engine.h"
#include "flatenn/nn/model.h"

namespace flatenn::analysis {

/// The latent weights of all multiplying layers, flat, in graph order; their shapes; and all other
/// parameters and statistics, variances as logarithms.
torch::Tensor latent_weights(const nn::ModelImpl& model);
std::vector<std::vector<int64_t>> latent_shapes(const nn::ModelImpl& model);
torch::Tensor latent_rest(const nn::ModelImpl& model);

/// Latent weights moved before quantization: every point is quantized and frozen anew, so its value
/// is that of a network which hardware could store. Batch norm stays in evaluation mode.
class LatentSurface : public Surface {
 public:
  /// `model` must be quantized; it is given back as it came when the surface ends.
  LatentSurface(std::shared_ptr<nn::ModelImpl> model, engine::ImageCodes images,
                std::vector<uint16_t> labels);
  ~LatentSurface() override;
  LatentSurface(const LatentSurface&) = delete;
  LatentSurface& operator=(const LatentSurface&) = delete;

  torch::Tensor weights() const override { return origin_; }
  std::vector<std::vector<int64_t>> shapes() const override { return latent_shapes(*model_); }
  torch::Tensor rest() const override { return rest_; }
  SurfaceValue at(const torch::Tensor& move) override;
  /// Straight through the weight quantizer: the gradient at its output, with batch norm's factor.
  torch::Tensor gradient() override;

 private:
  void set(const torch::Tensor& weights, const torch::Tensor& rest);
  LossSurface frozen() const;

  std::shared_ptr<nn::ModelImpl> model_;
  engine::ImageCodes images_;
  std::vector<uint16_t> labels_;
  torch::Tensor origin_;
  torch::Tensor rest_;
};

}  // namespace flatenn::analysis
