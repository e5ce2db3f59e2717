#include "train/objective.h"

#include <gtest/gtest.h>

#include "train/testing.h"

namespace flatenn::train {
namespace {

constexpr int64_t kImages = 12;

TrainConfig config_for(const std::string& architecture) {
  TrainConfig config;
  config.model = testing::options_for(architecture);
  return config;
}

Batch batch_of(const TrainConfig& config) {
  const testing::Batch batch = testing::batch_for(config.model, kImages);
  return {batch.images, batch.labels};
}

TEST(Objective, SmoothsLabelsAsSaid) {
  TrainConfig config = config_for("lenet5");
  config.label_smoothing = 0.1;
  nn::Model model = testing::calibrated_model(config.model);
  Objective objective(model, config, torch::kCPU);
  const Batch batch = batch_of(config);
  const torch::Tensor loss = objective.run(batch, Pass::kFirst);

  const torch::NoGradGuard no_grad;
  const torch::Tensor log_p = model->forward(batch.images).log_softmax(1);
  const torch::Tensor of_label = log_p.gather(1, batch.labels.unsqueeze(1)).squeeze(1);
  const torch::Tensor expected = -(0.9 * of_label + 0.1 * log_p.mean(1)).mean();
  EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 1e-5);
}

TEST(Objective, PartsOfABatchGiveTheGradientOfTheWhole) {
  TrainConfig config = config_for("lenet5");  // without batch norm
  config.model.quant.enabled = false;         // nor codes that a last bit can change
  const auto gradient = [&](int64_t parts) {
    config.accumulate = parts;
    nn::Model model(config.model);
    model->train();
    Objective(model, config, torch::kCPU).run(batch_of(config), Pass::kFirst);
    return model->layers()[0]->weight.grad().clone();
  };
  const torch::Tensor whole = gradient(1);
  EXPECT_GT(whole.norm().item<double>(), 0);
  EXPECT_TRUE(torch::allclose(gradient(4), whole, 1e-4, 1e-6));
}

TEST(Objective, AddsTheSparsityTermThatIsConfigured) {
  TrainConfig config = config_for("lenet5");
  nn::Model model = testing::calibrated_model(config.model);
  model->train();
  const double task =
      Objective(model, config, torch::kCPU).run(batch_of(config), Pass::kFirst).item<double>();
  config.sparsity = {.penalty = nn::SparsityPenalty::kHoyerSquare,
                     .weighting = nn::SparsityWeighting::kMacs,
                     .grouping = nn::SparsityGrouping::kChannels,
                     .strength = 0.5};
  const double whole =
      Objective(model, config, torch::kCPU).run(batch_of(config), Pass::kFirst).item<double>();
  const double term = nn::sparsity_penalty(*model, config.sparsity.penalty,
                                           config.sparsity.weighting, config.sparsity.grouping)
                          .item<double>();
  EXPECT_GT(term, 0);
  EXPECT_NEAR(whole - task, 0.5 * term, 1e-5);
}

TEST(Objective, MeasuresTheSparsityOfTheBatchAskedForAlone) {
  TrainConfig config = config_for("lenet5");
  nn::Model model = testing::calibrated_model(config.model);
  model->train();
  Objective objective(model, config, torch::kCPU);
  const auto measure = [&] {
    objective.measure_next();
    objective.run(batch_of(config), Pass::kFirst);
    return objective.take_sparsity();
  };
  const double first = measure();
  EXPECT_GT(first, 0);
  EXPECT_LT(first, 1);
  EXPECT_EQ(measure(), first);
}

}  // namespace
}  // namespace flatenn::train
