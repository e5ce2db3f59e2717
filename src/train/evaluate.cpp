#include "train/evaluate.h"

#include <algorithm>

#include "flatenn/engine/evaluate.h"
#include "train/batches.h"

namespace flatenn::train {
namespace {

constexpr int64_t kBatch = 500;

}  // namespace

ModelEvaluation evaluate_model(nn::Model model, const data::ImageSet& images,
                               torch::Device device) {
  const torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  model->set_recording(true);
  nn::SparsityMeter meter;
  std::vector<torch::Tensor> logits;
  for (int64_t first = 0; first < images.count; first += kBatch) {
    const Batch batch = plain_batch(images, first, std::min(kBatch, images.count - first));
    logits.push_back(model->forward(batch.images.to(device)));
    meter.add(*model);
  }
  model->set_recording(false);
  model->train(was_training);
  const torch::Tensor all = torch::cat(logits).cpu().contiguous();
  const engine::Evaluation evaluation = engine::evaluate(
      {all.data_ptr<float>(), static_cast<size_t>(all.numel())}, all.size(1), images.labels);
  return {
      .loss = evaluation.loss, .accuracy = evaluation.accuracy(), .sparsity = meter.report(*model)};
}

}  // namespace flatenn::train
