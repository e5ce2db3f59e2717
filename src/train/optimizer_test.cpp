#include "flatenn/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>

#include "flatenn/base/error.h"
#include "train/testing.h"
#include "train/update_kernels.h"

namespace flatenn::train {
namespace {

using testing::batch_for;
using testing::calibrated_model;
using testing::loss_of;
using testing::options_for;

TEST(RoleParameters, NameEveryParameterOnce) {
  const nn::Model model(options_for("resnet20"));
  const auto found = role_parameters(*model);
  EXPECT_EQ(found.size(), model->parameters().size());
  for (const RoleParameter& parameter : found)
    EXPECT_TRUE(model->named_parameters().contains(parameter.name)) << parameter.name;
}

TEST(Optimizer, DecaysWeightsOnlyUnlessTold) {
  for (const bool all : {false, true}) {
    const nn::Model model = calibrated_model(options_for("resnet20"));
    const auto optimizer = make_optimizer(*model, {.learning_rate = 1,
                                                   .momentum = 0,
                                                   .weight_decay = 0.5,
                                                   .decay_biases = all,
                                                   .decay_batch_norm = all});
    {
      const torch::NoGradGuard no_grad;
      for (const RoleParameter& parameter : optimizer->parameters()) {
        torch::Tensor value = parameter.value;
        value.fill_(1);
        value.mutable_grad() = torch::zeros_like(value);
      }
    }
    optimizer->step();
    for (const RoleParameter& parameter : optimizer->parameters()) {
      const bool scale = parameter.role == ParameterRole::kWeightScale ||
                         parameter.role == ParameterRole::kActivationScale;
      const bool decays = parameter.role == ParameterRole::kWeight || (all && !scale);
      EXPECT_EQ(parameter.value.min().item<float>(), decays ? 0.5F : 1.0F) << parameter.name;
    }
  }
}

TEST(Optimizer, ScalesHaveALearningRateOfTheirOwn) {
  const nn::Model model = calibrated_model(options_for("lenet5"));
  const auto optimizer =
      make_optimizer(*model, {.learning_rate = 1, .momentum = 0, .scale_learning_rate = 0.25});
  torch::Tensor t = model->layers()[0]->quantizer->log_scale;
  const double before = t.item<double>();
  t.mutable_grad() = torch::ones({1});
  optimizer->step();
  EXPECT_NEAR(t.item<double>(), before - 0.25, 1e-6);
}

TEST(Optimizer, ClipsTheGradientsNormAsLibTorchDoes) {
  for (const double largest : {0.5, 1e6}) {
    const nn::Model model = calibrated_model(options_for("resnet20"));
    const auto optimizer =
        make_optimizer(*model, {.learning_rate = 0.25, .momentum = 0, .clip_norm = largest});
    torch::manual_seed(7);
    std::vector<torch::Tensor> before;
    std::vector<torch::Tensor> twins;  // with the gradients that LibTorch clips
    for (const RoleParameter& parameter : optimizer->parameters()) {
      torch::Tensor value = parameter.value;
      value.mutable_grad() = torch::randn_like(value);
      before.push_back(value.detach().clone());
      twins.push_back(value.detach().clone().set_requires_grad(true));
      twins.back().mutable_grad() = value.grad().clone();
    }
    const double norm = torch::nn::utils::clip_grad_norm_(twins, largest);
    ASSERT_GT(norm, 1);
    ASSERT_LT(norm, 1e6);
    optimizer->step();
    for (size_t i = 0; i < twins.size(); ++i) {
      const torch::Tensor expected = before[i] - 0.25 * twins[i].grad();
      EXPECT_TRUE(torch::allclose(optimizer->parameters()[i].value, expected, 1e-5, 1e-6))
          << optimizer->parameters()[i].name << ", " << largest;
    }
  }
}

TEST(Optimizer, FusedSgdEqualsTensorOperations) {
  torch::manual_seed(3);
  for (const double momentum : {0.0, 0.9})
    for (const bool nesterov : {false, true}) {
      if (nesterov && momentum == 0) continue;
      const SgdStep step{0.1, momentum, 0.01, nesterov};
      torch::Tensor fused = torch::randn({1001});
      torch::Tensor plain = fused.to(torch::kFloat64);  // float64 takes the general path
      torch::Tensor fused_moment = momentum > 0 ? torch::zeros({1001}) : torch::Tensor();
      torch::Tensor plain_moment = momentum > 0 ? torch::zeros_like(plain) : torch::Tensor();
      for (int i = 0; i < 3; ++i) {
        const torch::Tensor grad = torch::randn({1001});
        sgd_update(fused, grad, fused_moment, step);
        sgd_update(plain, grad.to(torch::kFloat64), plain_moment, step);
      }
      EXPECT_TRUE(torch::allclose(fused.to(torch::kFloat64), plain, 1e-5, 1e-6));
    }
}

TEST(Optimizer, ResumesBitForBit) {
  for (const OptimizerKind kind : {OptimizerKind::kSgd, OptimizerKind::kAdamW}) {
    const auto options = options_for("mlp");
    const auto run = [&](nn::Model& model, Optimizer& optimizer, int64_t step) {
      optimizer.zero_grad();
      loss_of(model, batch_for(options, 4, step)).backward();
      optimizer.step();
    };
    nn::Model a = calibrated_model(options);
    const auto first = make_optimizer(*a, {.kind = kind, .weight_decay = 1e-3});
    run(a, *first, 0);
    std::stringstream stream;
    {
      torch::serialize::OutputArchive archive;
      first->save(archive);
      archive.save_to(stream);
    }
    nn::Model b = calibrated_model(options);
    nn::warm_start(*b, nn::named_state(*a));
    const auto second = make_optimizer(*b, {.kind = kind, .weight_decay = 1e-3});
    torch::serialize::InputArchive archive;
    archive.load_from(stream);
    second->load(archive);
    run(a, *first, 1);
    run(b, *second, 1);
    for (size_t i = 0; i < first->parameters().size(); ++i)
      EXPECT_TRUE(torch::equal(first->parameters()[i].value, second->parameters()[i].value))
          << first->parameters()[i].name;
  }
}

TEST(Optimizer, RefusesOptionsOutOfRange) {
  const nn::Model model(options_for("mlp"));
  EXPECT_THROW(make_optimizer(*model, {.momentum = 1}), Error);
  EXPECT_THROW(make_optimizer(*model, {.learning_rate = -1}), Error);
  EXPECT_THROW(make_optimizer(*model, {.weight_decay = -1}), Error);
  EXPECT_THROW(make_optimizer(*model, {.clip_norm = -1}), Error);
  EXPECT_THROW(make_optimizer(*model, {.momentum = 0, .nesterov = true}), Error);
  EXPECT_THROW(parse_optimizer("SGD"), Error);
}

}  // namespace
}  // namespace flatenn::train
