// Whole training steps against PyTorch: golden/lenet_step.py, and the same in LibTorch.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "flatenn/train/optimizer.h"
#include "flatenn/train/sam.h"
#include "train/torch_lenet.h"

namespace flatenn::train {
namespace {

struct GoldenRun {
  std::string name;
  std::vector<double> losses;  ///< Before each step, on the machine that wrote them.
  std::vector<double> rms;     ///< Of weights and biases after them, and log scales: what other
  std::vector<double> scales;  ///< readers on that machine's kind compare.
};
const std::vector<GoldenRun> kGolden = {
#include "train/golden/lenet_step.inc"
};

using testing::pattern;

nn::Model golden_model() {
  nn::ModelOptions options;
  options.input_scale = 2.0 / 127;
  nn::Model model(options);
  testing::fill_in_closed_form(*model);
  return model;
}

OptimizerOptions optimizer_options(const std::string& name) {
  OptimizerOptions options{.learning_rate = 0.1, .weight_decay = 0.01, .scale_learning_rate = 0.2};
  options.nesterov = name == "nesterov";
  if (name == "adam" || name == "adamw") {
    options.kind = parse_optimizer(name);
    options.learning_rate = 0.002;
    options.weight_decay = 0.1;
  }
  return options;
}

SharpnessOptions sharpness_options(const std::string& name) {
  if (name == "sam" || name == "saq" || name == "asaq")
    return {.method = parse_sharpness_method(name), .rho = name == "asaq" ? 0.5 : 0.1};
  return {};
}

/// Another order of summation in a convolution can move an activation over a rounding boundary, and
/// another choice among tied maxima moves a gradient.
constexpr double kAcrossMachines = 0.02;
constexpr double kRelative = 2e-4;

void expect_near(const torch::Tensor& got, const torch::Tensor& expected, const std::string& what) {
  EXPECT_LE((got - expected).norm().item<double>(), kRelative * expected.norm().item<double>())
      << what;
}

TEST(TrainingStep, ProducesPyTorchValues) {
  for (const GoldenRun& golden : kGolden) {
    nn::Model model = golden_model();
    // Products of codes tie exactly in many pooling windows, and the order of summation then picks
    // the winner: LibTorch's own convolution picks PyTorch's. The fused forms have tests of their
    // own.
    model->set_quantize_form(nn::QuantizeForm::kComposite);
    const auto optimizer = make_optimizer(*model, optimizer_options(golden.name));
    SharpnessStepper stepper(model, *optimizer, sharpness_options(golden.name));
    testing::TorchLenet expected;
    const auto expected_optimizer = testing::torch_optimizer(golden.name, expected);
    for (size_t step = 0; step < golden.losses.size(); ++step) {
      const double number = static_cast<double>(step);
      const torch::Tensor images =
          (2 * pattern({8, 1, 28, 28}, 0.013 + 0.001 * number, 0.3)).to(torch::kFloat32);
      const torch::Tensor labels =
          torch::remainder(torch::arange(8) * 3 + static_cast<int64_t>(step), 10);
      const StepResult result = stepper.step([&](Pass) {
        const torch::Tensor loss = torch::cross_entropy_loss(model->forward(images), labels);
        loss.backward();
        return loss.detach();
      });
      const std::string what = golden.name + ", step " + std::to_string(step);
      const double loss =
          testing::torch_step(golden.name, expected, *expected_optimizer, images, labels);
      EXPECT_NEAR(result.loss.item<double>(), loss, kRelative * loss) << what;
      // The first forward pass meets no tie that shows; the third follows two updates that do.
      if (step > 1) continue;
      const double tolerance = step == 0 ? 1e-5 : kAcrossMachines;
      EXPECT_NEAR(loss, golden.losses[step], tolerance * golden.losses[step]) << what;
    }
    for (size_t i = 0; i < model->layers().size(); ++i) {
      const nn::QuantLayerImpl& layer = *model->layers()[i];
      const testing::TorchLayer& other = expected.layers[i];
      const std::string what = golden.name + ", layer " + std::to_string(i);
      expect_near(layer.weight, other.weight, what + ", weights");
      expect_near(layer.bias, other.bias, what + ", biases");
      EXPECT_NEAR(layer.quantizer->log_scale.item<double>(), other.log_scale.item<double>(),
                  kRelative)
          << what;
      const auto& output = model->quantizers()[static_cast<size_t>(layer.spec().dst)];
      ASSERT_EQ(static_cast<bool>(output), other.output_bits > 0) << what;
      if (output) {
        EXPECT_NEAR(output->log_scale.item<double>(), other.output_log_scale.item<double>(),
                    kRelative)
            << what;
      }
    }
  }
}

}  // namespace
}  // namespace flatenn::train
