#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <mutex>

namespace flatenn::train {

/// Records the CUDA work of a training step once and replays it: the host then launches one graph
/// instead of thousands of kernels. All tensors the step reads and writes must stay where they are,
/// and numbers that change between steps must lie on the device.
class StepGraph {
 public:
  StepGraph();
  ~StepGraph();

  bool recorded() const;
  /// Runs `step` on a side stream under capture; nothing is computed yet. Tensors it returns by
  /// other ways (captures) hold the results of the last replay. If `step` throws, nothing is
  /// recorded and the exception goes on.
  void record(const std::function<void()>& step);
  void replay();
  /// Forgets the recording.
  void reset();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Held while a step is recorded, and by whatever gives memory back, which goes through all devices
/// and must not meet a recording of another thread.
std::unique_lock<std::mutex> hold_recordings();

/// Runs `step` on a side stream, as CUDA asks of the steps before a recording.
void run_on_side_stream(const std::function<void()>& step);

}  // namespace flatenn::train
