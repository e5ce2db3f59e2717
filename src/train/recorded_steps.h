#pragma once

#include <functional>
#include <map>
#include <memory>

#include "flatenn/train/sam.h"

namespace flatenn::train {

/// Runs training steps of a few kinds; on a CUDA device each kind is recorded after some plain
/// steps and replayed from then on (see StepGraph).
class RecordedSteps {
 public:
  RecordedSteps();
  ~RecordedSteps();

  /// `compute` does a step of this kind; it must do the same work on the same memory every time.
  /// `before_replay` is called between a recording and its first replay, or what takes its place.
  StepResult run(int kind, const std::function<StepResult()>& compute,
                 const std::function<void()>& before_replay = {});

 private:
  struct Recording;
  std::map<int, std::unique_ptr<Recording>> recordings_;
};

}  // namespace flatenn::train
