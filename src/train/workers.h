#pragma once

#include <memory>
#include <vector>

#include "train/batches.h"
#include "train/collective.h"
#include "train/loop.h"

namespace flatenn::train {

/// One training on one device or, with the same parameters on each, on several: a Trainer for each,
/// which step at the same time on equal parts of every batch and agree on gradients, losses and
/// batch norm's running statistics after every pass (docs/training.md). Device, thread and trainer
/// go together; the first trainer runs on the caller's thread and speaks for all.
class Workers {
 public:
  /// On each device an equal model and a source of whole batches; `group`: as many, or none for one
  /// device. Throws Error where the devices do not divide the batch.
  Workers(const TrainConfig& config, const std::vector<nn::Model>& models,
          std::vector<std::unique_ptr<BatchSource>> batches,
          const std::vector<torch::Device>& devices,
          std::vector<std::unique_ptr<Collective>> group);
  ~Workers();

  Trainer& first();
  /// A step of all; throws what a trainer threw, after which only destruction is left.
  void step();
  void reset_totals();
  void load(torch::serialize::InputArchive& archive);

 private:
  struct Follower;
  std::vector<std::unique_ptr<Collective>> group_;
  std::unique_ptr<BatchSource> batches_;
  std::unique_ptr<Trainer> first_;
  std::vector<std::unique_ptr<Follower>> followers_;
};

}  // namespace flatenn::train
