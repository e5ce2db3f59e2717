#include "train/objective.h"

#include "train/weight_range.h"

namespace flatenn::train {

Objective::Objective(nn::Model model, const TrainConfig& config, torch::Device device)
    : model_(std::move(model)),
      penalty_(config.sparsity.penalty),
      weighting_(config.sparsity.weighting),
      grouping_(config.sparsity.grouping),
      range_(config.robustness.weights),
      accumulate_(config.accumulate),
      label_smoothing_(config.label_smoothing),
      totals_(torch::zeros({2}, torch::dtype(torch::kFloat64).device(device))),
      strength_(torch::full({}, config.sparsity.strength,
                            torch::dtype(torch::kFloat32).device(device))) {}

torch::Tensor Objective::run_part(const torch::Tensor& images, const torch::Tensor& labels,
                                  Pass pass, double weight) {
  const torch::Tensor logits = model_->forward(images);
  torch::Tensor objective =
      torch::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::Mean,
                                /*ignore_index=*/-100, label_smoothing_);
  if (pass == Pass::kFirst) {
    const torch::NoGradGuard no_grad;
    totals_.select(0, 0).add_(objective.detach(), weight * static_cast<double>(labels.size(0)));
    totals_.select(0, 1).add_(logits.argmax(1).eq(labels).sum(), weight);
    if (measure_) meter_.add(*model_);
  }
  if (penalty_ != nn::SparsityPenalty::kNone)
    objective =
        objective + strength_ * nn::sparsity_penalty(*model_, penalty_, weighting_, grouping_);
  if (const torch::Tensor pull = range_penalty(*model_, range_); pull.defined())
    objective = objective + pull;
  if (accumulate_ > 1) objective = objective / accumulate_;
  objective.backward();
  return objective.detach();
}

torch::Tensor Objective::run(const Batch& batch, Pass pass, double weight) {
  model_->set_recording(measure_ || penalty_ != nn::SparsityPenalty::kNone);
  if (measure_ && pass == Pass::kFirst) meter_.reset();
  if (accumulate_ == 1) return run_part(batch.images, batch.labels, pass, weight);
  const int64_t part = batch.labels.size(0) / accumulate_;
  torch::Tensor sum;
  for (int64_t i = 0; i < accumulate_; ++i) {
    const torch::Tensor loss = run_part(batch.images.narrow(0, i * part, part),
                                        batch.labels.narrow(0, i * part, part), pass, weight);
    sum = sum.defined() ? sum + loss : loss;
  }
  return sum;
}

double Objective::take_sparsity() {
  measure_ = false;
  return meter_.report(*model_).network;
}

}  // namespace flatenn::train
