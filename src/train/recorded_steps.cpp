#include "train/recorded_steps.h"

#ifdef FLATENN_CUDA
#include <c10/util/Exception.h>

#include "flatenn/base/log.h"
#include "train/step_graph.h"
#endif

namespace flatenn::train {

#ifdef FLATENN_CUDA
namespace {

/// Plain steps before a recording, in which libraries choose algorithms and gradients find their
/// places.
constexpr int kPlainSteps = 3;

}  // namespace

struct RecordedSteps::Recording {
  int plain_steps = 0;
  bool too_large = false;  ///< There was no room to record it.
  StepGraph graph;
  StepResult result;
};

namespace {

/// As CUDA asks of the steps before a recording.
StepResult run_plain(const std::function<StepResult()>& compute) {
  StepResult result;
  run_on_side_stream([&] { result = compute(); });
  return result;
}

}  // namespace

StepResult RecordedSteps::run(int kind, const std::function<StepResult()>& compute,
                              const std::function<void()>& before_replay) {
  std::unique_ptr<Recording>& recording = recordings_[kind];
  if (!recording) recording = std::make_unique<Recording>();
  if (recording->plain_steps < kPlainSteps || recording->too_large) {
    ++recording->plain_steps;
    return run_plain(compute);
  }
  if (!recording->graph.recorded()) {
    try {
      recording->graph.record([&] { recording->result = compute(); });
    } catch (const c10::OutOfMemoryError&) {
      log::warn("too little device memory to record the training step; it runs unrecorded, slower");
      recording->too_large = true;
    }
    if (before_replay) before_replay();
    if (recording->too_large) return run_plain(compute);
  }
  recording->graph.replay();
  return recording->result;
}
#else
struct RecordedSteps::Recording {};

StepResult RecordedSteps::run(int, const std::function<StepResult()>& compute,
                              const std::function<void()>&) {
  return compute();
}
#endif

RecordedSteps::RecordedSteps() = default;
RecordedSteps::~RecordedSteps() = default;

}  // namespace flatenn::train
