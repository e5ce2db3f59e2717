// Whole training steps against PyTorch (golden/lenet_step.py).
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "flatenn/train/optimizer.h"
#include "flatenn/train/sam.h"

namespace flatenn::train {
namespace {

struct GoldenRun {
  std::string name;
  std::vector<double> losses;
  std::vector<double> rms;     ///< Weights, then biases.
  std::vector<double> scales;  ///< Log scales, layer by layer: weight, output.
};
const std::vector<GoldenRun> kGolden = {
#include "train/golden/lenet_step.inc"
};

torch::Tensor pattern(torch::IntArrayRef shape, double frequency, double phase) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  const torch::Tensor i = torch::arange(count, torch::kFloat64);
  return torch::sin(frequency * i * i + phase * i + phase).view(shape);
}

nn::Model golden_model() {
  nn::ModelOptions options;
  options.input_scale = 2.0 / 127;
  nn::Model model(options);
  const torch::NoGradGuard no_grad;
  for (size_t k = 0; k < model->layers().size(); ++k) {
    nn::QuantLayerImpl& layer = *model->layers()[k];
    const double fan_in = static_cast<double>(layer.weight[0].numel());
    const double number = static_cast<double>(k);
    layer.weight.copy_(pattern(layer.weight.sizes(), 0.37 + 0.01 * number, 0.11) *
                       std::sqrt(3 / fan_in));
    layer.bias.fill_(0.01 * (number + 1));
    layer.quantizer->initialize(layer.weight);
  }
  for (size_t i = 1; i < model->quantizers().size(); ++i) {
    const auto& quantizer = model->quantizers()[i];
    if (!quantizer) continue;
    quantizer->initialize(torch::ones({1, 1}));
    quantizer->log_scale.fill_(std::log(quantizer->bits() < 8 ? 0.1 : 0.01));
  }
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

double rms(const torch::Tensor& x) {
  return std::sqrt(x.detach().to(torch::kFloat64).pow(2).mean().item<double>());
}

/// Another order of summation in a convolution can move an activation over a rounding boundary.
constexpr double kRelative = 2e-4;

TEST(TrainingStep, ProducesPyTorchValues) {
  for (const GoldenRun& golden : kGolden) {
    nn::Model model = golden_model();
    // Products of codes tie exactly in many pooling windows, and the order of summation then picks
    // the winner: LibTorch's own convolution picks PyTorch's. The fused forms have tests of their
    // own.
    model->set_quantize_form(nn::QuantizeForm::kComposite);
    const auto optimizer = make_optimizer(*model, optimizer_options(golden.name));
    SharpnessStepper stepper(model, *optimizer, sharpness_options(golden.name));
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
      EXPECT_NEAR(result.loss.item<double>(), golden.losses[step], kRelative * golden.losses[step])
          << golden.name << ", step " << step;
    }
    std::vector<torch::Tensor> tensors;
    for (const auto& layer : model->layers()) tensors.push_back(layer->weight);
    for (const auto& layer : model->layers()) tensors.push_back(layer->bias);
    ASSERT_EQ(tensors.size(), golden.rms.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      // Gradients of biases sum over the batch, so one moved code shows more.
      const double relative = i < model->layers().size() ? kRelative : 20 * kRelative;
      EXPECT_NEAR(rms(tensors[i]), golden.rms[i], relative * golden.rms[i])
          << golden.name << ", tensor " << i;
    }
    size_t at = 0;
    for (const auto& layer : model->layers()) {
      EXPECT_NEAR(layer->quantizer->log_scale.item<double>(), golden.scales[at++], kRelative);
      const auto& output = model->quantizers()[static_cast<size_t>(layer->spec().dst)];
      if (output) {
        EXPECT_NEAR(output->log_scale.item<double>(), golden.scales[at++], kRelative);
      }
    }
    EXPECT_EQ(at, golden.scales.size());
  }
}

}  // namespace
}  // namespace flatenn::train
