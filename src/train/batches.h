#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "flatenn/data/image_set.h"
#include "flatenn/train/order.h"

namespace flatenn::train {

struct Batch {
  torch::Tensor images;  ///< [batch, channels, height, width], float32, normalized.
  torch::Tensor labels;  ///< [batch], int64.
};

struct BatchOptions {
  int64_t batch_size = 128;
  uint64_t seed = 0;
  AugmentationOptions augment;
};

/// Hands out the training batches of one epoch after another. Every batch is a function of (seed,
/// epoch, index): epoch_order() decides which images it holds, augmentation_of() what happens to
/// them. All batches have batch_size images; those that are left over wait for another epoch.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual int64_t batches() const = 0;  ///< Of an epoch.
  virtual void start_epoch(int64_t epoch) = 0;
  /// `index` in [0, batches()), of the epoch started last. The tensors may be overwritten by the
  /// next call.
  virtual Batch batch(int64_t index) = 0;
};

/// `images` must outlive the source.
std::unique_ptr<BatchSource> make_batch_source(const data::ImageSet& images,
                                               const BatchOptions& options, torch::Device device);

/// Normalizes 8-bit images through a table, which gives the bits of ImageSet::normalized().
class Normalizer {
 public:
  explicit Normalizer(const data::ImageSet& images);
  /// One image into `out` [channels, height, width].
  void write(int64_t image, const Augmentation& augmentation, float* out) const;

 private:
  void write_row(const uint8_t* row, const float* table, const Augmentation& augmentation,
                 float* out) const;
  void cut_out(const Augmentation& augmentation, float* out) const;

  const data::ImageSet& images_;
  std::vector<float> table_;  ///< [channels, 256]
};

/// Images first, first + 1, ..., first + count - 1 as they are.
Batch plain_batch(const data::ImageSet& images, int64_t first, int64_t count);

}  // namespace flatenn::train
