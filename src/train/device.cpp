#include "train/device.h"

#include "flatenn/base/error.h"
#include "flatenn/engine/devices.h"
#ifdef FLATENN_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <torch/cuda.h>

#include "engine/cuda/cuda_engine.h"
#include "train/step_graph.h"
#endif

namespace flatenn::train {
namespace {

constexpr int64_t kLeastPart = 8;

/// Empty where training can run on these CUDA devices.
std::string cuda_missing([[maybe_unused]] const std::vector<int64_t>& devices) {
#ifdef FLATENN_CUDA
  const std::string reason = engine::cuda_unavailable();
  if (!reason.empty()) return reason;
  if (!torch::cuda::is_available()) return "this LibTorch cannot use the CUDA device";
  return engine::missing_devices(devices, static_cast<int64_t>(torch::cuda::device_count()));
#else
  return "this build has no CUDA (configure with -DFLATENN_CUDA=ON)";
#endif
}

struct Explanation {
  const char* sign;  ///< Words in the message.
  const char* text;
};

constexpr Explanation kExplanations[] = {
    {"out of memory", "the device's memory does not suffice"},
    {"driver version is insufficient",
     "the CUDA driver is older than the toolkit this program was built with; update the driver"},
    {"driver on your system is too old",
     "the CUDA driver is older than this LibTorch's CUDA; update the driver"},
    {"no kernel image",
     "this program was built for other cards; name this one's in CMAKE_CUDA_ARCHITECTURES"},
    {"no CUDA-capable device", "there is no CUDA device"},
    {"No CUDA GPUs", "there is no CUDA device"},
};

}  // namespace

std::vector<c10::Device> open_devices(const std::string& name) {
  const std::vector<int64_t> numbers = engine::parse_device_choice(name);
  if (numbers.empty()) return {c10::kCPU};
  const std::string reason = cuda_missing(numbers);
  FLATENN_CHECK(reason.empty(), "--device ", name, ": ", reason, "; use --device cpu");
  std::vector<c10::Device> devices;
  for (const int64_t number : numbers)
    devices.emplace_back(c10::kCUDA, static_cast<c10::DeviceIndex>(number));
  return devices;
}

void use_device([[maybe_unused]] c10::Device device) {
#ifdef FLATENN_CUDA
  if (device.is_cuda()) c10::cuda::set_device(device.index());
#endif
}

std::string explain_device_failure(const std::string& message) {
  for (const Explanation& explanation : kExplanations)
    if (message.find(explanation.sign) != std::string::npos) return explanation.text;
  return "a computation on the device failed: " + message.substr(0, message.find('\n'));
}

int64_t more_parts(int64_t batch_size, int64_t parts) {
  for (int64_t more = 2 * parts; more * kLeastPart <= batch_size; ++more)
    if (batch_size % more == 0) return more;
  return 0;
}

void release_cached_memory() {
#ifdef FLATENN_CUDA
  const std::unique_lock lock = hold_recordings();
  c10::cuda::CUDACachingAllocator::emptyCache();
#endif
}

}  // namespace flatenn::train
