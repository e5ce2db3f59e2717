#include "train/batches.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "flatenn/base/error.h"
#ifdef FLATENN_CUDA
#include "train/device_batches.h"
#endif

namespace flatenn::train {
namespace {

/// Images a thread takes at least: some 30 us of work.
constexpr int64_t kGrain = 32;

/// Assembles batches in memory on the CPU; moves them where the device is another one.
class MemoryBatchSource : public BatchSource {
 public:
  MemoryBatchSource(const data::ImageSet& images, const BatchOptions& options, torch::Device device)
      : images_(images), options_(options), device_(device), normalizer_(images) {}

  int64_t batches() const override { return images_.count / options_.batch_size; }

  void start_epoch(int64_t epoch) override {
    epoch_ = epoch;
    order_ = epoch_order(options_.seed, epoch, images_.count);
  }

  Batch batch(int64_t index) override {
    FLATENN_ASSERT(index >= 0 && index < batches() && !order_.empty(), "batch ", index);
    const int64_t size = options_.batch_size;
    Batch batch{.images = torch::empty({size, images_.channels, images_.height, images_.width}),
                .labels = torch::empty({size}, torch::kInt64)};
    float* pixels = batch.images.data_ptr<float>();
    auto* labels = batch.labels.data_ptr<int64_t>();
    const int64_t* order = order_.data() + index * size;
    at::parallel_for(0, size, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        labels[i] = images_.labels[static_cast<size_t>(order[i])];
        normalizer_.write(order[i], augmentation(order[i]), pixels + i * images_.image_elements());
      }
    });
    if (device_.is_cpu()) return batch;
    return {.images = batch.images.to(device_), .labels = batch.labels.to(device_)};
  }

 private:
  Augmentation augmentation(int64_t image) const {
    return augmentation_of(options_.augment, options_.seed, epoch_, image);
  }

  const data::ImageSet& images_;
  BatchOptions options_;
  torch::Device device_;
  Normalizer normalizer_;
  int64_t epoch_ = 0;
  std::vector<int64_t> order_;
};

}  // namespace

Normalizer::Normalizer(const data::ImageSet& images) : images_(images) {
  for (int64_t channel = 0; channel < images.channels; ++channel) {
    for (int pixel = 0; pixel < 256; ++pixel)
      table_.push_back(images.normalized(channel, static_cast<uint8_t>(pixel)));
  }
}

void Normalizer::write_row(const uint8_t* row, const float* table, const Augmentation& augmentation,
                           float* out) const {
  const int64_t width = images_.width;
  for (int64_t x = 0; x < width; ++x) {
    const int64_t shifted = x + augmentation.shift_x;
    const bool inside = shifted >= 0 && shifted < width;
    const int64_t column = augmentation.flip ? width - 1 - shifted : shifted;
    out[x] = table[inside ? row[column] : 0];
  }
}

void Normalizer::cut_out(const Augmentation& augmentation, float* out) const {
  const auto range = [&](uint16_t place, int64_t extent) {
    const int64_t first = ((place * extent) >> 16) - augmentation.cut / 2;
    return std::pair(std::max<int64_t>(first, 0),
                     std::min<int64_t>(first + augmentation.cut, extent));
  };
  const auto [top, bottom] = range(augmentation.cut_y, images_.height);
  const auto [left, right] = range(augmentation.cut_x, images_.width);
  for (int64_t row = 0; row < images_.channels * images_.height; ++row) {
    const int64_t y = row % images_.height;
    if (y < top || y >= bottom) continue;
    std::fill(out + row * images_.width + left, out + row * images_.width + right, 0.0F);
  }
}

void Normalizer::write(int64_t image, const Augmentation& augmentation, float* out) const {
  const int64_t plane = images_.height * images_.width;
  const uint8_t* source = images_.pixels.data() + image * images_.image_elements();
  float* const whole = out;
  for (int64_t channel = 0; channel < images_.channels; ++channel) {
    const float* table = table_.data() + channel * 256;
    if (augmentation == Augmentation{}) {
      for (int64_t i = 0; i < plane; ++i) out[i] = table[source[i]];
    } else {
      for (int64_t y = 0; y < images_.height; ++y) {
        const int64_t row = y + augmentation.shift_y;
        float* target = out + y * images_.width;
        if (row < 0 || row >= images_.height) {
          std::fill_n(target, images_.width, table[0]);
        } else {
          write_row(source + row * images_.width, table, augmentation, target);
        }
      }
    }
    source += plane;
    out += plane;
  }
  if (augmentation.cut > 0) cut_out(augmentation, whole);
}

std::unique_ptr<BatchSource> make_batch_source(const data::ImageSet& images,
                                               const BatchOptions& options, torch::Device device) {
  FLATENN_CHECK(options.batch_size >= 1 && options.batch_size <= images.count,
                "make_batch_source: batch_size must be in [1, ", images.count, "], got ",
                options.batch_size);
#ifdef FLATENN_CUDA
  if (device.is_cuda()) return make_device_batch_source(images, options, device);
#endif
  return std::make_unique<MemoryBatchSource>(images, options, device);
}

Batch plain_batch(const data::ImageSet& images, int64_t first, int64_t count) {
  FLATENN_CHECK(first >= 0 && count >= 0 && first + count <= images.count, "plain_batch: images [",
                first, ", ", first + count, ") of ", images.count);
  const Normalizer normalizer(images);
  Batch batch{.images = torch::empty({count, images.channels, images.height, images.width}),
              .labels = torch::empty({count}, torch::kInt64)};
  float* pixels = batch.images.data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    normalizer.write(first + i, {}, pixels + i * images.image_elements());
    batch.labels.data_ptr<int64_t>()[i] = images.labels[static_cast<size_t>(first + i)];
  }
  return batch;
}

}  // namespace flatenn::train
