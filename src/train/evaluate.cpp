#include "train/evaluate.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "flatenn/base/log.h"
#include "flatenn/engine/evaluate.h"
#include "train/batches.h"
#include "train/device.h"

namespace flatenn::train {
namespace {

constexpr int64_t kAtOnceOnCpu = 500;
constexpr int64_t kAtOnceOnGpu = 1000;
constexpr int64_t kFewest = 16;

}  // namespace

Evaluator::Evaluator(const data::ImageSet& images, torch::Device device)
    : images_(images), device_(device), at_once_(device.is_cpu() ? kAtOnceOnCpu : kAtOnceOnGpu) {}

torch::Tensor Evaluator::images_at(int64_t first, int64_t count) {
  if (device_.is_cpu()) return plain_batch(images_, first, count).images;
  if (!on_device_.defined()) on_device_ = plain_batch(images_, 0, images_.count).images.to(device_);
  return on_device_.narrow(0, first, count);
}

torch::Tensor Evaluator::logits_of(nn::Model& model, nn::SparsityMeter& meter) {
  std::vector<torch::Tensor> logits;
  for (int64_t first = 0; first < images_.count; first += at_once_) {
    logits.push_back(model->forward(images_at(first, std::min(at_once_, images_.count - first))));
    meter.add(*model);
  }
  return torch::cat(logits).cpu().contiguous();
}

ModelEvaluation Evaluator::run(nn::Model model) {
  const torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  model->set_recording(true);
  nn::SparsityMeter meter;
  torch::Tensor logits;
  while (!logits.defined()) {
    try {
      logits = logits_of(model, meter);
    } catch (const c10::OutOfMemoryError&) {
      if (at_once_ <= kFewest) throw;
      at_once_ /= 2;
      log::warn("too little device memory to evaluate; goes on with ", at_once_,
                " images at a time");
      meter.reset();
      model->set_recording(true);
      release_cached_memory();
    }
  }
  model->set_recording(false);
  model->train(was_training);
  const engine::Evaluation evaluation =
      engine::evaluate({logits.data_ptr<float>(), static_cast<size_t>(logits.numel())},
                       logits.size(1), images_.labels);
  return {
      .loss = evaluation.loss, .accuracy = evaluation.accuracy(), .sparsity = meter.report(*model)};
}

}  // namespace flatenn::train
