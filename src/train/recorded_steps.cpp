#include "train/recorded_steps.h"

#ifdef FLATENN_CUDA
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
  StepGraph graph;
  StepResult result;
};

StepResult RecordedSteps::run(int kind, const std::function<StepResult()>& compute) {
  std::unique_ptr<Recording>& recording = recordings_[kind];
  if (!recording) recording = std::make_unique<Recording>();
  if (recording->plain_steps < kPlainSteps) {
    ++recording->plain_steps;
    return run_plain(compute);
  }
  if (!recording->graph.recorded()) {
    recording->graph.record([&] { recording->result = compute(); });
  }
  recording->graph.replay();
  return recording->result;
}

StepResult RecordedSteps::run_plain(const std::function<StepResult()>& compute) {
  StepResult result;
  run_on_side_stream([&] { result = compute(); });
  return result;
}
#else
struct RecordedSteps::Recording {};

StepResult RecordedSteps::run(int, const std::function<StepResult()>& compute) { return compute(); }
StepResult RecordedSteps::run_plain(const std::function<StepResult()>& compute) {
  return compute();
}
#endif

RecordedSteps::RecordedSteps() = default;
RecordedSteps::~RecordedSteps() = default;

}  // namespace flatenn::train
