#include "train/device_batches.h"

#include <ATen/Parallel.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>
#include <span>
#include <vector>

#include "flatenn/base/error.h"
#include "train/cuda_kernels.h"

namespace flatenn::train {
namespace {

constexpr int64_t kGrain = 1024;

torch::Tensor bytes_on(torch::Device device, std::span<const uint8_t> bytes) {
  torch::Tensor host = torch::empty({static_cast<int64_t>(bytes.size())}, torch::kUInt8);
  std::memcpy(host.mutable_data_ptr(), bytes.data(), bytes.size());
  return host.to(device);
}

torch::Tensor labels_on(torch::Device device, const std::vector<uint16_t>& labels) {
  return torch::tensor(std::vector<int64_t>(labels.begin(), labels.end())).to(device);
}

class DeviceBatchSource : public BatchSource {
 public:
  DeviceBatchSource(const data::ImageSet& images, const BatchOptions& options, torch::Device device)
      : options_(options),
        count_(images.count),
        shape_{.count = options.batch_size,
               .channels = static_cast<int>(images.channels),
               .height = static_cast<int>(images.height),
               .width = static_cast<int>(images.width)},
        pixels_(bytes_on(device, images.pixels)),
        labels_(labels_on(device, images.labels)),
        plans_(torch::empty({count_ * static_cast<int64_t>(sizeof(cuda::ImagePlan))},
                            torch::dtype(torch::kUInt8).device(device))) {
    torch::Tensor table = torch::empty({images.channels, 256});
    for (int64_t channel = 0; channel < images.channels; ++channel) {
      for (int64_t pixel = 0; pixel < 256; ++pixel) {
        table[channel][pixel] = images.normalized(channel, static_cast<uint8_t>(pixel));
      }
    }
    table_ = table.to(device);
    batch_.images =
        torch::empty({options.batch_size, images.channels, images.height, images.width},
                     torch::device(device).memory_format(at::MemoryFormat::ChannelsLast));
    batch_.labels = torch::empty({options.batch_size}, torch::dtype(torch::kInt64).device(device));
  }

  int64_t batches() const override { return count_ / options_.batch_size; }

  void start_epoch(int64_t epoch) override {
    const std::vector<int64_t> order = epoch_order(options_.seed, epoch, count_);
    torch::Tensor host = torch::empty_like(plans_, torch::device(torch::kCPU));
    auto* plans = reinterpret_cast<cuda::ImagePlan*>(host.mutable_data_ptr());
    at::parallel_for(0, count_, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = order[static_cast<size_t>(i)];
        const Augmentation a = augmentation_of(options_.augment, options_.seed, epoch, image);
        plans[i] = {.image = static_cast<int32_t>(image),
                    .shift_x = a.shift_x,
                    .shift_y = a.shift_y,
                    .flip = static_cast<int16_t>(a.flip ? 1 : 0),
                    .cut = a.cut,
                    .cut_y = a.cut_y,
                    .cut_x = a.cut_x};
      }
    });
    plans_.copy_(host);
    started_ = true;
  }

  Batch batch(int64_t index) override {
    FLATENN_ASSERT(index >= 0 && index < batches() && started_, "batch ", index);
    const auto* plans = static_cast<const cuda::ImagePlan*>(plans_.const_data_ptr());
    cuda::launch_batch(shape_, plans + index * options_.batch_size,
                       pixels_.const_data_ptr<uint8_t>(), labels_.const_data_ptr<int64_t>(),
                       table_.const_data_ptr<float>(), batch_.images.mutable_data_ptr<float>(),
                       batch_.labels.mutable_data_ptr<int64_t>(),
                       c10::cuda::getCurrentCUDAStream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return batch_;
  }

 private:
  BatchOptions options_;
  int64_t count_;
  cuda::BatchShape shape_;
  torch::Tensor pixels_, labels_, plans_, table_;
  Batch batch_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<BatchSource> make_device_batch_source(const data::ImageSet& images,
                                                      const BatchOptions& options,
                                                      torch::Device device) {
  return std::make_unique<DeviceBatchSource>(images, options, device);
}

}  // namespace flatenn::train
