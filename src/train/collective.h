#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace flatenn::train {

/// What the workers of one training, each on a device and a thread of its own, agree on. Every
/// worker has its own object of a group and calls the same functions in the same order.
class Collective {
 public:
  virtual ~Collective() = default;

  /// Replaces each tensor by its mean over all workers: the same bits on all of them. Tensors are
  /// dense, of floating point, and of the same shapes in the same order everywhere. Does not wait
  /// for a GPU and can be recorded (see StepGraph).
  virtual void mean(const std::vector<torch::Tensor>& tensors) = 0;
  /// Returns when all workers have called it.
  virtual void meet() = 0;
  /// Makes calls under way and to come throw Error, for a worker that fails. From any thread.
  virtual void abort() = 0;
};

/// A worker's place in its training.
struct Member {
  Collective* group = nullptr;  ///< None: the only worker.
  int64_t index = 0;
};

/// One for each device, over NCCL through LibTorch's process groups. Throws Error, one line, where
/// this build has none.
std::vector<std::unique_ptr<Collective>> make_collectives(
    const std::vector<torch::Device>& devices);

}  // namespace flatenn::train
