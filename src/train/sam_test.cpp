#include "flatenn/train/sam.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "flatenn/base/error.h"
#include "train/testing.h"

namespace flatenn::train {
namespace {

using testing::Batch;
using testing::batch_for;
using testing::calibrated_model;
using testing::loss_of;
using testing::options_for;

const std::vector<SharpnessMethod> kTwoPass = {SharpnessMethod::kSam, SharpnessMethod::kSaq,
                                               SharpnessMethod::kAsaq};

SharpnessOptions everything(SharpnessMethod method, double rho) {
  return {.method = method,
          .rho = rho,
          .perturb_biases = true,
          .perturb_batch_norm = true,
          .perturb_activation_scales = true};
}

/// A model, its optimizer and its stepper, made anew for each method.
struct Rig {
  nn::Model model;
  std::unique_ptr<Optimizer> optimizer;
  SharpnessStepper stepper;

  Rig(const nn::ModelOptions& options, const SharpnessOptions& sharpness, double rate = 0.1)
      : model(calibrated_model(options)),
        optimizer(make_optimizer(*model, {.learning_rate = rate, .weight_decay = 1e-3})),
        stepper(model, *optimizer, sharpness) {}

  StepResult step(const Batch& batch, const std::function<void(Pass)>& before = {}) {
    return stepper.step([&](Pass pass) {
      if (before) before(pass);
      const torch::Tensor loss = loss_of(model, batch);
      loss.backward();
      return loss.detach();
    });
  }
};

void expect_equal_state(const nn::Model& a, const nn::Model& b, const std::string& what) {
  const auto states = nn::named_state(*b);
  for (const auto& [name, value] : nn::named_state(*a))
    EXPECT_TRUE(torch::equal(value, states.at(name))) << what << ": " << name;
}

TEST(Sharpness, RhoZeroEqualsTheBaseOptimizerBitForBit) {
  for (const std::string architecture : {"lenet5", "resnet20"})
    for (const SharpnessMethod method : kTwoPass) {
      const auto options = options_for(architecture);
      Rig base(options, {});
      Rig sharp(options, everything(method, 0));
      for (int64_t i = 0; i < 3; ++i) {
        const Batch batch = batch_for(options, 8, i);
        const StepResult a = base.step(batch);
        const StepResult b = sharp.step(batch);
        EXPECT_TRUE(torch::equal(a.loss, b.loss));
      }
      expect_equal_state(base.model, sharp.model, architecture + " " + to_string(method));
    }
}

TEST(Sharpness, BatchStatisticsMoveInTheFirstPassOnly) {
  const auto options = options_for("resnet20");
  const Batch batch = batch_for(options, 8);
  Rig base(options, {}, 0);
  base.step(batch);
  for (const SharpnessMethod method : kTwoPass) {
    Rig sharp(options, everything(method, 0.5), 0);
    sharp.step(batch);
    expect_equal_state(base.model, sharp.model, to_string(method));
  }
}

TEST(Sharpness, ParametersChangeByTheUpdateAlone) {
  const auto options = options_for("resnet20");
  for (const SharpnessMethod method : kTwoPass) {
    Rig rig(options, everything(method, 0.7), /*rate=*/0);
    std::map<std::string, torch::Tensor> before;
    for (const auto& item : rig.model->named_parameters())
      before[item.key()] = item.value().detach().clone();
    rig.step(batch_for(options, 8));
    for (const auto& item : rig.model->named_parameters())
      EXPECT_TRUE(torch::equal(before.at(item.key()), item.value())) << item.key();
  }
}

TEST(Sharpness, ARelativeRadiusIsThatShareOfTheQuantizedWeightsInEachStep) {
  const auto options = options_for("lenet5");
  const double share = 0.02;
  for (const SharpnessMethod method : kTwoPass) {
    SharpnessOptions relative = everything(method, 0);
    relative.rho_relative = share;
    Rig rig(options, relative);
    for (int64_t i = 0; i < 3; ++i) {
      const Batch batch = batch_for(options, 8, i);
      // The same step from the same state with the radius that this share comes to.
      double squares = 0;
      for (const auto& layer : rig.model->layers()) {
        const torch::Tensor q = layer->quantizer->forward(layer->weight).detach();
        squares += q.to(torch::kFloat64).square().sum().item<double>();
      }
      Rig absolute(options, everything(method, share * std::sqrt(squares)));
      const auto state = nn::named_state(*rig.model);
      for (auto& [name, value] : nn::named_state(*absolute.model)) value.copy_(state.at(name));
      std::vector<torch::Tensor> moved[2];
      int at = 0;
      for (Rig* one : {&absolute, &rig}) {
        one->step(batch, [&, at](Pass pass) {
          if (pass != Pass::kSecond) return;
          for (const auto& layer : one->model->layers())
            moved[at].push_back(layer->perturbation.defined() ? layer->perturbation.detach().clone()
                                                              : layer->weight.detach().clone());
        });
        ++at;
      }
      for (size_t layer = 0; layer < moved[0].size(); ++layer)
        EXPECT_TRUE(torch::allclose(moved[0][layer], moved[1][layer], 1e-6, 1e-9))
            << to_string(method) << " step " << i << " layer " << layer;
    }
  }
}

TEST(Sharpness, WeightsAloneMoveByTheRelativeRadius) {
  const auto options = options_for("lenet5");
  for (const SharpnessMethod method : {SharpnessMethod::kSam, SharpnessMethod::kSaq}) {
    Rig rig(options, {.method = method, .rho_relative = 0.015});
    for (int64_t i = 0; i < 3; ++i)
      EXPECT_NEAR(rig.step(batch_for(options, 8, i)).rho_relative.item<double>(), 0.015, 1e-8);
  }
}

TEST(Sharpness, SaqAddsRhoTimesTheUnitGradientAtTheQuantizersOutput) {
  const auto options = options_for("lenet5");
  const Batch batch = batch_for(options, 8);
  // The reference: gradients at Q(w) through a model whose weights are Q(w) themselves.
  Rig rig(options, {.method = SharpnessMethod::kSaq, .rho = 0.3});
  std::vector<torch::Tensor> eps, latent;
  const StepResult result = rig.step(batch, [&](Pass pass) {
    for (const auto& layer : rig.model->layers()) {
      if (pass == Pass::kSecond) eps.push_back(layer->perturbation.detach().clone());
      if (pass == Pass::kSecond) latent.push_back(layer->weight.detach().clone());
    }
  });
  const nn::Model fresh = calibrated_model(options);
  nn::Model probe = fresh;
  std::vector<torch::Tensor> leaves;
  for (const auto& layer : probe->layers()) {
    layer->perturbation = torch::zeros_like(layer->weight).set_requires_grad(true);
    leaves.push_back(layer->perturbation);
  }
  loss_of(probe, batch).backward();
  double squares = 0, moved = 0, size = 0;
  for (size_t i = 0; i < leaves.size(); ++i) {
    squares += leaves[i].grad().pow(2).sum().item<double>();
    moved += eps[i].pow(2).sum().item<double>();
    const auto& layer = *fresh->layers()[i];
    size += layer.quantizer->forward(layer.weight).pow(2).sum().item<double>();
    EXPECT_TRUE(torch::equal(latent[i], layer.weight)) << "latent weights do not move";
  }
  EXPECT_NEAR(result.grad_norm.item<double>(), std::sqrt(squares), 1e-4 * std::sqrt(squares));
  EXPECT_NEAR(std::sqrt(moved), 0.3, 1e-5);
  EXPECT_NEAR(result.rho_relative.item<double>(), 0.3 / std::sqrt(size), 1e-5);
  for (size_t i = 0; i < leaves.size(); ++i)
    EXPECT_TRUE(torch::allclose(eps[i], leaves[i].grad() * (0.3 / std::sqrt(squares)), 1e-3, 1e-7));
}

TEST(Sharpness, AsaqStretchesByTheWeightsSize) {
  const auto options = options_for("lenet5");
  const double eta = 0.02, rho = 0.4;
  Rig rig(options, {.method = SharpnessMethod::kAsaq, .rho = rho, .eta = eta});
  double norm = 0;
  rig.step(batch_for(options, 8), [&](Pass pass) {
    if (pass == Pass::kFirst) return;
    for (const auto& layer : rig.model->layers()) {
      const torch::Tensor q = layer->quantizer->forward(layer->weight).detach();
      norm += (layer->perturbation.detach() / (q.abs() + eta)).pow(2).sum().item<double>();
    }
  });
  EXPECT_NEAR(std::sqrt(norm), rho, 1e-4) << "||eps / T|| = rho";
}

/// With gp the gradient of the second pass and g that of the first, over all parameters together:
/// gp - gap * (g - <g, gp> / <gp, gp> gp).
TEST(Sharpness, AGapTakesTheOrthogonalPartOfTheFirstGradientAway) {
  const auto options = options_for("resnet20");
  const double gap = 0.4;
  for (const SharpnessMethod method : kTwoPass) {
    Rig rig(options, {.method = method, .rho = 0.3, .gap = gap});
    const Batch batch = batch_for(options, 8);
    std::map<Pass, std::map<std::string, torch::Tensor>> seen;
    const auto gradients = [&] {
      std::map<std::string, torch::Tensor> found;
      for (const auto& item : rig.model->named_parameters())
        if (item.value().grad().defined())
          found[item.key()] = item.value().grad().to(torch::kFloat64).clone();
      return found;
    };
    rig.stepper.step([&](Pass pass) {
      const torch::Tensor loss = loss_of(rig.model, batch);
      loss.backward();
      seen[pass] = gradients();
      return loss.detach();
    });
    double product = 0, square = 0;
    for (const auto& [name, gp] : seen[Pass::kSecond]) {
      product += (seen[Pass::kFirst].at(name) * gp).sum().item<double>();
      square += gp.square().sum().item<double>();
    }
    for (const auto& [name, used] : gradients()) {
      const torch::Tensor& gp = seen[Pass::kSecond].at(name);
      const torch::Tensor across = seen[Pass::kFirst].at(name) - product / square * gp;
      EXPECT_TRUE(torch::allclose(used, gp - gap * across, 1e-3, 1e-6)) << name;
    }
  }
}

TEST(Sharpness, AFaultyPassMixesItsGradientAndLeavesStatisticsAlone) {
  const auto options = options_for("resnet20");
  const Batch batch = batch_for(options, 8), other = batch_for(options, 8, 1);
  const auto used_gradient = [&](SharpnessMethod method, double share) {
    Rig rig(options, {.method = method, .rho = 0.3}, /*rate=*/0);
    rig.stepper.step(
        [&](Pass pass) {
          const torch::Tensor loss = loss_of(rig.model, pass == Pass::kFaulty ? other : batch);
          loss.backward();
          return loss.detach();
        },
        share);
    EXPECT_TRUE(rig.model->layers()[0]->track_statistics);
    return std::make_pair(rig.model->layers()[2]->weight.grad().clone(),
                          rig.model->layers()[2]->running_mean.clone());
  };
  for (const SharpnessMethod method : {SharpnessMethod::kSgd, SharpnessMethod::kSaq}) {
    const auto [clean, mean] = used_gradient(method, 0);
    const auto [faulty, faulty_mean] = used_gradient(method, 1);
    const auto [mixed, mixed_mean] = used_gradient(method, 0.25);
    EXPECT_TRUE(torch::allclose(mixed, 0.75 * clean + 0.25 * faulty, 1e-4, 1e-7));
    EXPECT_TRUE(torch::equal(mean, faulty_mean));
    EXPECT_TRUE(torch::equal(mean, mixed_mean));
  }
}

TEST(Sharpness, SamMovesLatentWeightsInTheSecondPass) {
  const auto options = options_for("lenet5");
  Rig rig(options, {.method = SharpnessMethod::kSam, .rho = 0.2});
  std::vector<torch::Tensor> before;
  for (const auto& layer : rig.model->layers()) before.push_back(layer->weight.detach().clone());
  double moved = 0;
  rig.step(batch_for(options, 8), [&](Pass pass) {
    if (pass == Pass::kFirst) return;
    for (size_t i = 0; i < before.size(); ++i)
      moved += (rig.model->layers()[i]->weight.detach() - before[i]).pow(2).sum().item<double>();
  });
  EXPECT_NEAR(std::sqrt(moved), 0.2, 1e-5);
}

TEST(Sharpness, AVanishingGradientMovesNothing) {
  const auto options = options_for("mlp");
  for (const SharpnessMethod method : kTwoPass) {
    Rig rig(options, {.method = method, .rho = 0.5});
    const StepResult result = rig.stepper.step([&](Pass) {
      const torch::Tensor loss = 0 * loss_of(rig.model, batch_for(options, 4));
      loss.backward();
      return loss.detach();
    });
    EXPECT_EQ(result.grad_norm.item<double>(), 0);
    EXPECT_EQ(result.rho_relative.item<double>(), 0);
    for (const auto& layer : rig.model->layers())
      EXPECT_TRUE(layer->weight.isfinite().all().item<bool>());
  }
}

TEST(Sharpness, GradientsOfSeveralBackwardCallsAddUp) {
  const auto options = options_for("mlp");  // no batch norm: halves are independent
  const Batch batch = batch_for(options, 8);
  for (const SharpnessMethod method : kTwoPass) {
    Rig whole(options, {.method = method, .rho = 0.1});
    Rig halves(options, {.method = method, .rho = 0.1});
    whole.step(batch);
    halves.stepper.step([&](Pass) {
      torch::Tensor total = torch::zeros({});
      for (const int64_t half : {0, 4}) {
        const Batch part{batch.images.narrow(0, half, 4), batch.labels.narrow(0, half, 4)};
        const torch::Tensor loss = loss_of(halves.model, part) / 2;
        loss.backward();
        total += loss.detach();
      }
      return total;
    });
    for (size_t i = 0; i < whole.model->layers().size(); ++i)
      EXPECT_TRUE(torch::allclose(whole.model->layers()[i]->weight,
                                  halves.model->layers()[i]->weight, 1e-3, 1e-5));
  }
}

TEST(Sharpness, APassThatThrowsLeavesTheModelAsItWas) {
  const auto options = options_for("resnet20");
  for (const SharpnessMethod method : kTwoPass) {
    Rig rig(options, everything(method, 0.5));
    std::map<std::string, torch::Tensor> before;
    for (const auto& item : rig.model->named_parameters())
      before[item.key()] = item.value().detach().clone();
    EXPECT_THROW(rig.step(batch_for(options, 4),
                          [](Pass pass) {
                            if (pass == Pass::kSecond) throw std::runtime_error("stop");
                          }),
                 std::runtime_error);
    for (const auto& item : rig.model->named_parameters())
      EXPECT_TRUE(torch::equal(before.at(item.key()), item.value())) << item.key();
    for (const auto& layer : rig.model->layers()) {
      EXPECT_FALSE(layer->perturbation.defined());
      EXPECT_TRUE(layer->track_statistics);
    }
  }
}

TEST(Sharpness, RefusesOptionsOutOfRange) {
  nn::Model model(options_for("mlp"));
  const auto optimizer = make_optimizer(*model, {});
  EXPECT_THROW(SharpnessStepper(model, *optimizer, {.rho = -0.1}), Error);
  EXPECT_THROW(SharpnessStepper(model, *optimizer, {.rho = std::nan("")}), Error);
  EXPECT_THROW(SharpnessStepper(model, *optimizer, {.eta = -1}), Error);
  EXPECT_THROW(SharpnessStepper(model, *optimizer, {.gap = -1}), Error);
  EXPECT_THROW(parse_sharpness_method("saqq"), Error);
}

}  // namespace
}  // namespace flatenn::train
