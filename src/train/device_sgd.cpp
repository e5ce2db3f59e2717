#include "train/device_sgd.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <cstring>

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

/// Whether elements of equal index lie at equal places; strides of single elements mean nothing.
bool same_format(const torch::Tensor& a, const torch::Tensor& b) {
  for (int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

}  // namespace

DeviceSgd::DeviceSgd(const OptimizerOptions& options, torch::Device device)
    : options_(options),
      rate_(torch::full({1}, options.learning_rate, torch::dtype(torch::kFloat32).device(device))) {
}

void DeviceSgd::set_learning_rate(double rate) { rate_.fill_(rate); }

void DeviceSgd::send_places(const std::vector<Part>& parts) {
  std::vector<cuda::SgdEntry> entries;
  blocks_ = 0;
  for (const Part& part : parts) {
    torch::Tensor value = part.value;
    const torch::Tensor& grad = value.grad();
    if (!grad.defined()) continue;
    FLATENN_ASSERT(same_format(grad, value), "a gradient in another format");
    entries.push_back({.value = value.mutable_data_ptr<float>(),
                       .grad = grad.const_data_ptr<float>(),
                       .velocity = part.velocity.defined()
                                       ? static_cast<float*>(part.velocity.data_ptr())
                                       : nullptr,
                       .size = value.numel(),
                       .first_block = blocks_,
                       .decay = static_cast<float>(part.decay),
                       .rate_factor = static_cast<float>(part.rate_factor)});
    blocks_ += (value.numel() + cuda::kSgdBlock - 1) / cuda::kSgdBlock;
  }
  count_ = static_cast<int>(entries.size());
  const auto bytes = static_cast<int64_t>(entries.size() * sizeof(cuda::SgdEntry));
  torch::Tensor host = torch::empty({bytes}, torch::kUInt8);
  std::memcpy(host.mutable_data_ptr(), entries.data(), static_cast<size_t>(bytes));
  entries_ = host.to(rate_.device());
}

void DeviceSgd::step(const std::vector<Part>& parts) {
  std::vector<const void*> places;
  for (const Part& part : parts) {
    const torch::Tensor& grad = part.value.grad();
    places.push_back(grad.defined() ? grad.const_data_ptr() : nullptr);
    places.push_back(part.value.const_data_ptr());
    places.push_back(part.velocity.defined() ? part.velocity.const_data_ptr() : nullptr);
  }
  if (places != places_) {
    send_places(parts);
    places_ = places;
  }
  cuda::launch_sgd(static_cast<const cuda::SgdEntry*>(entries_.const_data_ptr()), count_, blocks_,
                   rate_.const_data_ptr<float>(), static_cast<float>(options_.momentum),
                   options_.nesterov, c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace flatenn::train
