#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

#include "flatenn/analysis/torch_network.h"
#include "flatenn/engine/engine.h"

namespace flatenn::analysis {

/// Mean cross entropy and top-1 accuracy.
struct SurfaceValue {
  double loss = 0;
  double accuracy = 0;
};

using ImageObserver = std::function<void(int64_t done, int64_t total)>;

/// The loss of a frozen network over fixed images, as a function of a flat move [parameter_count()]
/// of its dequantized weights (layers in graph order, OIHW row-major). Constant memory: images pass
/// in batches.
class LossSurface {
 public:
  /// `labels` has one entry an image. Images beyond `max_images` are left out (0: none are).
  /// batch: images a pass; 0: what suits the device.
  LossSurface(std::shared_ptr<const TorchNetwork> view, const engine::ImageCodes& images,
              const std::vector<uint16_t>& labels, int64_t max_images = 0, int64_t batch = 0);

  SurfaceValue value(const torch::Tensor& move) const;
  /// Gradient of the mean loss, flat.
  torch::Tensor gradient(const torch::Tensor& move) const;
  /// Gradient over images [first, first + count) alone.
  torch::Tensor gradient(const torch::Tensor& move, int64_t first, int64_t count) const;
  SurfaceValue value(const torch::Tensor& move, int64_t first, int64_t count) const;
  /// Hessian of the mean loss at zero move, times `vector`.
  torch::Tensor hessian_product(const torch::Tensor& vector) const;
  /// Mean over images of each image's squared gradient (the empirical Fisher's diagonal), flat,
  /// over the first `count` images. `observer` is called after every image, by one thread at a
  /// time.
  torch::Tensor squared_gradients(int64_t count, const ImageObserver& observer = {}) const;

  /// The loss of another view over the same images, which are shared.
  LossSurface with_view(std::shared_ptr<const TorchNetwork> view) const;

  torch::Tensor zero_move() const;
  torch::Tensor flat_weights() const;  ///< Dequantized weights, flat.
  std::vector<torch::Tensor> split(const torch::Tensor& flat) const;
  torch::Tensor join(const std::vector<torch::Tensor>& parts) const;
  int64_t images() const { return labels_.size(0); }
  const TorchNetwork& view() const { return *view_; }

 private:
  torch::Tensor batch_loss(const std::vector<torch::Tensor>& moves, int64_t first, int64_t count,
                           SurfaceValue* value) const;
  /// Sum of term(first, count) over batches, the same bits for any number of threads.
  torch::Tensor sum_over_batches(
      int64_t first, int64_t count,
      const std::function<torch::Tensor(int64_t first, int64_t count)>& term) const;

  std::shared_ptr<const TorchNetwork> view_;
  torch::Tensor codes_;   ///< int8 [n, c, h, w]
  torch::Tensor labels_;  ///< int64 [n]
  int64_t batch_;
};

}  // namespace flatenn::analysis
