#include "train/device.h"

#include "flatenn/base/error.h"
#ifdef FLATENN_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <torch/cuda.h>

#include "engine/cuda/cuda_engine.h"
#endif

namespace flatenn::train {
namespace {

constexpr int64_t kLeastPart = 8;

/// Empty where training can run on a CUDA device.
std::string cuda_missing() {
#ifdef FLATENN_CUDA
  const std::string reason = engine::cuda_unavailable();
  if (!reason.empty()) return reason;
  return torch::cuda::is_available() ? "" : "this LibTorch cannot use the CUDA device";
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

c10::Device open_device(const std::string& name) {
  FLATENN_CHECK(name == "cpu" || name == "cuda", "--device: expected cpu or cuda, got '", name,
                "'");
  if (name == "cpu") return c10::kCPU;
  const std::string reason = cuda_missing();
  FLATENN_CHECK(reason.empty(), "--device cuda: ", reason, "; use --device cpu");
  return c10::kCUDA;
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
  c10::cuda::CUDACachingAllocator::emptyCache();
#endif
}

}  // namespace flatenn::train
