#include "engine/cuda/cuda_engine.h"

#include <cuda_runtime.h>

#include "engine/cuda/layered_runner.h"
#include "engine/cuda/small_runner.h"
#include "engine/cuda/support.h"
#include "engine/job_checks.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/parallel.h"
#include "flatenn/engine/devices.h"

namespace flatenn::engine {
namespace {

// Some launches' worth each; changes of a large network at 5 % of its bits take 50 MB a job.
constexpr int64_t kJobsAheadWhole = 128;
constexpr int64_t kJobsAheadLayers = 16;

/// Hands jobs to the runner that suits the network: all layers in one launch where they are small,
/// else layer by layer. Its device is the calling thread's for the time of a call.
class CudaEngine : public Engine {
 public:
  CudaEngine(std::shared_ptr<const net::Network> network, std::shared_ptr<const ImageCodes> images,
             const EngineOptions& options, const cudaDeviceProp& device)
      : network_(std::move(network)),
        images_(std::move(images)),
        limits_({.tile_kernels = device.major == 9, .threads = resolve_threads(options.threads)}),
        device_(static_cast<int>(options.device)),
        device_name_(device.name) {
    const cuda::DeviceScope here(device_);
    small_ = cuda::SmallRunner::make(network_, images_);
  }
  ~CudaEngine() override {
    try {
      const cuda::DeviceScope here(device_);
      small_.reset();
      layers_.reset();
    } catch (const Error& error) {
      log::debug("engine cuda: ", error.what());  // of a device that has failed before
    }
  }
  CudaEngine(const CudaEngine&) = delete;
  CudaEngine& operator=(const CudaEngine&) = delete;

  std::string name() const override {
    return "cuda:" + std::to_string(device_) + "/" + device_name_ + (small_ ? "/whole" : "/layers");
  }

  void run(std::span<Job> jobs) override {
    const cuda::DeviceScope here(device_);
    std::vector<Job*> whole;
    for (Job& job : jobs) {
      check_job(*network_, *images_, job);
      if (small_ && job.activations == nullptr) whole.push_back(&job);
    }
    if (whole.size() == jobs.size()) {
      small_->run(whole);
      return;
    }
    layers().run(jobs);
  }

  int64_t jobs_ahead() const override { return small_ ? kJobsAheadWhole : kJobsAheadLayers; }

  std::vector<int16_t> codes(const Job& job, int64_t activation) override {
    const cuda::DeviceScope here(device_);
    check_codes_request(*network_, *images_, job, activation);
    return layers().codes(job, activation);
  }

 private:
  cuda::LayeredRunner& layers() {
    if (!layers_) layers_ = std::make_unique<cuda::LayeredRunner>(network_, images_, limits_);
    return *layers_;
  }

  std::shared_ptr<const net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  cuda::LayeredRunner::Limits limits_;
  int device_;
  std::string device_name_;
  std::unique_ptr<cuda::SmallRunner> small_;
  std::unique_ptr<cuda::LayeredRunner> layers_;
};

}  // namespace

std::string cuda_unavailable() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorInsufficientDriver) {
    return "the CUDA driver is older than the toolkit this program was built with";
  }
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return devices == 0 ? "there is no CUDA device" : "";
}

int64_t cuda_device_count() {
  int devices = 0;
  return cudaGetDeviceCount(&devices) == cudaSuccess ? devices : 0;
}

std::unique_ptr<Engine> make_cuda_engine(std::shared_ptr<const net::Network> network,
                                         std::shared_ptr<const ImageCodes> images,
                                         const EngineOptions& options) {
  check_devices({.kind = EngineKind::kCuda, .devices = {options.device}});
  cudaDeviceProp device{};
  FLATENN_CUDA_CHECK(cudaGetDeviceProperties(&device, static_cast<int>(options.device)));
  return std::make_unique<CudaEngine>(std::move(network), std::move(images), options, device);
}

}  // namespace flatenn::engine
