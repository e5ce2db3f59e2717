// RandBET steps against golden/randbet_step.py, written in PyTorch from the papers; python/tests
// holds flatenn.torch to the same numbers.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "flatenn/train/optimizer.h"
#include "flatenn/train/sam.h"
#include "train/torch_lenet.h"
#include "train/weight_faults.h"

namespace flatenn::train {
namespace {

struct GoldenRun {
  std::string name;
  double share;
  std::vector<double> losses, faulty_losses;  ///< Before each step.
  std::vector<double> rms;                    ///< Of weights, then of biases, after the last step.
  std::vector<double> scales;                 ///< Logarithms: of weights, then of outputs.
};
const std::vector<GoldenRun> kGolden = {
#include "train/golden/randbet_step.inc"
};
constexpr double kRate = 0.02;
constexpr uint64_t kSeed = 2104;
/// Another order of summation can move an activation over a rounding boundary.
constexpr double kRelative = 2e-3;

using testing::pattern;

nn::Model golden_model() {
  nn::ModelOptions options{.architecture = "mlp", .hidden = {32, 16}};
  options.input_scale = 2.0 / 127;
  nn::Model model(options);
  testing::fill_in_closed_form(*model);
  return model;
}

std::vector<double> rms_of_parameters(const nn::ModelImpl& model) {
  std::vector<double> weights;
  std::vector<double> biases;
  const auto rms = [](const torch::Tensor& x) {
    return std::sqrt(x.detach().to(torch::kFloat64).pow(2).mean().item<double>());
  };
  for (const auto& layer : model.layers()) {
    weights.push_back(rms(layer->weight));
    biases.push_back(rms(layer->bias));
  }
  weights.insert(weights.end(), biases.begin(), biases.end());
  return weights;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected,
                 const std::string& what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i], kRelative * std::abs(expected[i])) << what << " " << i;
}

TEST(RandbetStep, ProducesPyTorchValues) {
  ASSERT_FALSE(kGolden.empty());
  for (const GoldenRun& golden : kGolden) {
    nn::Model model = golden_model();
    const auto optimizer = make_optimizer(
        *model, {.learning_rate = 0.1, .weight_decay = 0.01, .scale_learning_rate = 3});
    SharpnessStepper stepper(model, *optimizer, {});
    WeightFaults faults(model, [] {
      fault::FaultModel flips;
      flips.sources.push_back({.kinds = fault::KindShares::only(fault::FaultKind::kBitFlip)});
      return flips;
    }());
    std::vector<double> losses;
    std::vector<double> faulty_losses;
    for (size_t step = 0; step < golden.losses.size(); ++step) {
      const auto number = static_cast<double>(step);
      const torch::Tensor images =
          (2 * pattern({8, 1, 28, 28}, 0.013 + 0.001 * number, 0.3)).to(torch::kFloat32);
      const torch::Tensor labels =
          torch::remainder(torch::arange(8) * 3 + static_cast<int64_t>(step), 10);
      faults.set(faults.draw(kRate, kSeed, step));
      stepper.step(
          [&](Pass pass) {
            if (pass == Pass::kFaulty) faults.apply();
            const torch::Tensor loss = torch::cross_entropy_loss(model->forward(images), labels);
            loss.backward();
            WeightFaults::clear(*model);
            (pass == Pass::kFaulty ? faulty_losses : losses).push_back(loss.item<double>());
            return loss.detach();
          },
          golden.share);
    }
    expect_near(losses, golden.losses, golden.name + ", loss");
    expect_near(faulty_losses, golden.faulty_losses, golden.name + ", loss with faults");
    expect_near(rms_of_parameters(*model), golden.rms, golden.name + ", rms");
    std::vector<double> scales;
    for (const auto& layer : model->layers())
      scales.push_back(layer->quantizer->log_scale.item<double>());
    for (const auto& layer : model->layers()) {
      const auto& output = model->quantizers()[static_cast<size_t>(layer->spec().dst)];
      if (output) scales.push_back(output->log_scale.item<double>());
    }
    expect_near(scales, golden.scales, golden.name + ", scale");
  }
}

}  // namespace
}  // namespace flatenn::train
