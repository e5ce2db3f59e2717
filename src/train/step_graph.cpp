#include "train/step_graph.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include <map>
#include <mutex>

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

/// The same one for all steps of a thread on a device: libraries keep a workspace a stream (cuBLAS:
/// 32 MiB on an H100), and LibTorch serves no stream with what another one freed.
at::cuda::CUDAStream side_stream() {
  static thread_local std::map<c10::DeviceIndex, at::cuda::CUDAStream> streams;
  const c10::DeviceIndex device = c10::cuda::current_device();
  const auto found = streams.find(device);
  return found != streams.end()
             ? found->second
             : streams.emplace(device, at::cuda::getStreamFromPool()).first->second;
}

/// Makes the side stream wait for the current one, and the current one for it at the end.
class SideStream {
 public:
  SideStream() : caller_(at::cuda::getCurrentCUDAStream()), side_(side_stream()) {
    wait(side_, caller_);
  }
  ~SideStream() { wait(caller_, side_); }
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;
  at::cuda::CUDAStream stream() const { return side_; }

 private:
  static void wait(const at::cuda::CUDAStream& waiting, const at::cuda::CUDAStream& until) {
    at::cuda::CUDAEvent event;
    event.record(until);
    event.block(waiting);
  }

  at::cuda::CUDAStream caller_;
  at::cuda::CUDAStream side_;
};

/// Ends a recording that failed, whatever came of it: the first failure is the one to tell.
void end_quietly(at::cuda::CUDAGraph& graph) {
  try {
    graph.capture_end();
  } catch (const c10::Error&) {
  }
}

}  // namespace

std::unique_lock<std::mutex> hold_recordings() {
  static std::mutex mutex;
  return std::unique_lock(mutex);
}

struct StepGraph::Impl {
  std::unique_ptr<at::cuda::CUDAGraph> graph;
};

StepGraph::StepGraph() : impl_(new Impl) {}
StepGraph::~StepGraph() = default;

bool StepGraph::recorded() const { return impl_->graph != nullptr; }

void StepGraph::record(const std::function<void()>& step) {
  const std::unique_lock lock = hold_recordings();
  const SideStream side;
  const c10::cuda::CUDAStreamGuard guard(side.stream());
  // A recording takes memory of its own, which what the steps before left cannot serve.
  c10::cuda::CUDACachingAllocator::emptyCache();
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  // Calls of other threads do not count.
  graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  try {
    step();
  } catch (...) {
    end_quietly(*graph);
    throw;
  }
  graph->capture_end();
  impl_->graph = std::move(graph);
}

void StepGraph::replay() {
  FLATENN_ASSERT(recorded(), "replay of a step that was not recorded");
  impl_->graph->replay();
}

void StepGraph::reset() { impl_->graph.reset(); }

void run_on_side_stream(const std::function<void()>& step) {
  const SideStream side;
  const c10::cuda::CUDAStreamGuard guard(side.stream());
  step();
}

}  // namespace flatenn::train
