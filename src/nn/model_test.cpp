#include "flatenn/nn/model.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/nn/sparsity.h"

namespace flatenn::nn {
namespace {

torch::Tensor images(const ModelOptions& options, int64_t count, uint64_t seed = 1) {
  torch::manual_seed(seed);
  const net::Shape& shape = options.input;
  return torch::randn({count, shape.channels, shape.height, shape.width}).clamp(-1, 1);
}

Model calibrated(const ModelOptions& options) {
  Model model(options);
  model->calibrate(images(options, 8));
  return model;
}

int64_t weight_count(const Model& model) {
  int64_t count = 0;
  for (const auto& layer : model->layers()) count += layer->weight.numel();
  return count;
}

ModelOptions cifar(const std::string& architecture, int64_t width = 64) {
  ModelOptions options;
  options.architecture = architecture;
  options.input = {3, 32, 32};
  options.width = width;
  return options;
}

const QuantLayerImpl& layer_named(const Model& model, const std::string& name) {
  for (const auto& layer : model->layers())
    if (layer->spec().name == name) return *layer;
  throw std::runtime_error("no layer " + name);
}

TEST(Model, LeNet5HasItsWeightsAndMacs) {
  const Model model(ModelOptions{});
  EXPECT_EQ(weight_count(model), 61470);
  EXPECT_EQ(model->macs(), (std::vector<int64_t>{784 * 150, 100 * 2400, 48000, 10080, 840}));
}

TEST(Model, ResNetsHaveTheirShapes) {
  const Model small(cifar("resnet20"));
  EXPECT_EQ(small->layers().size(), 22u);  // 19 convolutions, 2 projections, 1 linear
  EXPECT_EQ(weight_count(small), 270896);
  const Model large(cifar("resnet18"));
  EXPECT_EQ(large->layers().size(), 21u);
  EXPECT_EQ(weight_count(large), 11164352);
  EXPECT_EQ(large->shapes()[large->shapes().size() - 3], (net::Shape{512, 4, 4}));
}

TEST(Model, EveryArchitectureRunsInBothModes) {
  for (const std::string& name : architecture_names())
    for (const bool quantized : {true, false}) {
      ModelOptions options = cifar(name, 8);
      options.quant.enabled = quantized;
      Model model = calibrated(options);
      for (const bool training : {true, false}) {
        model->train(training);
        const torch::Tensor logits = model->forward(images(options, 2));
        EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{2, 10})) << name;
        EXPECT_TRUE(logits.isfinite().all().item<bool>()) << name;
      }
    }
}

TEST(Model, WeightsAreAFunctionOfTheSeed) {
  ModelOptions options;
  const Model a(options), b(options);
  options.seed = 1;
  const Model c(options);
  for (size_t i = 0; i < a->layers().size(); ++i) {
    EXPECT_TRUE(torch::equal(a->layers()[i]->weight, b->layers()[i]->weight));
    EXPECT_FALSE(torch::equal(a->layers()[i]->weight, c->layers()[i]->weight));
  }
}

TEST(Model, WeightsStartWithHesVariance) {
  const Model model(cifar("resnet18"));
  for (const auto& layer : model->layers()) {
    const double fan_in = static_cast<double>(layer->weight[0].numel());
    const double wanted = (layer->spec().relu ? 2 : 1) / fan_in;
    EXPECT_NEAR(layer->weight.var().item<double>() / wanted, 1, 0.15) << layer->spec().name;
  }
}

TEST(Model, FirstAndLastLayerHaveEightBitsUnlessToldOtherwise) {
  ModelOptions options;
  const auto bits = [](const Model& model) {
    std::vector<int64_t> found;
    for (const auto& layer : model->layers()) found.push_back(layer->quantizer->options().bits);
    return found;
  };
  const Model standard(options);
  EXPECT_EQ(bits(standard), (std::vector<int64_t>{8, 4, 4, 4, 8}));
  EXPECT_EQ(standard->quantizer_of(7 - 1).bits(), 8) << "what fc3 reads";
  EXPECT_EQ(standard->quantizer_of(1).bits(), 4) << "what conv2 reads, before pooling";
  options.quant.first_last_bits = 0;
  options.quant.layer_weight_bits["fc2"] = 6;
  options.quant.layer_activation_bits["conv2"] = 5;
  const Model custom(options);
  EXPECT_EQ(bits(custom), (std::vector<int64_t>{4, 4, 4, 6, 4}));
  EXPECT_EQ(custom->quantizer_of(1).bits(), 5);
  EXPECT_EQ(custom->quantizer_of(0).bits(), 8) << "the image";
}

TEST(Model, ATensorHasTheWidestBitsOfItsReaders) {
  ModelOptions options = cifar("resnet20");
  options.quant.layer_activation_bits["stage2_0_down"] = 7;
  const Model model(options);
  const int64_t shared = layer_named(model, "stage2_0_down").spec().src;
  EXPECT_EQ(layer_named(model, "stage2_0_conv1").spec().src, shared);
  EXPECT_EQ(model->quantizer_of(shared).bits(), 7);
  const int64_t branch = layer_named(model, "stage2_0_down").spec().dst;
  EXPECT_TRUE(model->quantizer_of(branch).is_signed());
  EXPECT_EQ(model->quantizer_of(branch).bits(), 8);
}

TEST(Model, RefusesWhatItCannotBuild) {
  ModelOptions options;
  options.architecture = "lenet";
  EXPECT_THROW(Model{options}, Error);
  options = {};
  options.input = {1, 8, 8};
  EXPECT_THROW(Model{options}, Error);
  options = {};
  options.quant.layer_weight_bits["conv9"] = 4;
  EXPECT_THROW(Model{options}, Error);
  options = {};
  options.quant.weight_bits = 9;
  EXPECT_THROW(Model{options}, Error);
  options = {};
  options.fatrelu = 1;
  EXPECT_THROW(Model{options}, Error);
}

TEST(Model, NeedsCalibrationOnce) {
  Model model(ModelOptions{});
  EXPECT_FALSE(model->calibrated());
  EXPECT_THROW(model->forward(images(model->options(), 2)), Error);
  model->calibrate(images(model->options(), 8));
  EXPECT_TRUE(model->calibrated());
  const torch::Tensor scale = model->quantizer_of(1).scale().clone();
  model->calibrate(3 * images(model->options(), 8));
  EXPECT_TRUE(torch::equal(scale, model->quantizer_of(1).scale()));
}

TEST(Model, CalibrationLeavesRunningStatistics) {
  Model model(cifar("resnet20"));
  model->calibrate(images(model->options(), 4));
  EXPECT_TRUE(torch::equal(model->layers()[0]->running_mean, torch::zeros({16})));
  model->forward(images(model->options(), 4));
  EXPECT_FALSE(torch::equal(model->layers()[0]->running_mean, torch::zeros({16})));
}

/// Training mode computes on real values, evaluation on codes: with batch norm's batch statistics
/// out of the picture both must agree up to rounding of the bias and ties.
TEST(Model, TrainingAndEvaluationModeAgreeWithoutBatchNorm) {
  Model model = calibrated(ModelOptions{});
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = images(model->options(), 64);
  model->train();
  const torch::Tensor trained = model->forward(x);
  model->eval();
  const torch::Tensor evaluated = model->forward(x);
  const torch::Tensor spread = (trained - evaluated).abs().median() / trained.std();
  EXPECT_LT(spread.item<double>(), 1e-4);
}

TEST(Model, WarmStartFromAFloatNetworkKeepsItsFunction) {
  ModelOptions options = cifar("resnet20");
  options.quant.enabled = false;
  Model source(options);
  source->forward(images(options, 16));  // moves running statistics
  options.quant.enabled = true;
  options.quant.weight_bits = options.quant.activation_bits = 8;
  options.seed = 5;
  Model target(options);
  const WarmStart result = warm_start(*target, named_state(*source));
  EXPECT_FALSE(result.missing.empty());
  target->calibrate(images(options, 16));
  const auto& layer = *target->layers()[3];
  EXPECT_TRUE(torch::equal(layer.weight, source->layers()[3]->weight));
  EXPECT_TRUE(torch::equal(layer.running_var, source->layers()[3]->running_var));
  const torch::Tensor codes = layer.quantizer->quantize(layer.weight).codes;
  EXPECT_GT(codes.abs().max().item<double>(), 8) << "the scale fits the copied weight";
}

TEST(Model, WarmStartRefusesAnotherArchitecture) {
  Model target(cifar("resnet20"));
  const Model source(ModelOptions{});
  EXPECT_THROW(warm_start(*target, named_state(*source)), Error);
}

TEST(QuantLayer, GroupedAndStridedConvolutionsEqualNaiveLoops) {
  const LayerSpec spec{.name = "g",
                       .in_channels = 4,
                       .out_channels = 6,
                       .window = square_window(3, 2, 1),
                       .groups = 2};
  QuantLayerImpl layer(spec, true, {}, 3, 0);
  const torch::Tensor x = images({.input = {4, 7, 9}}, 2);
  const torch::Tensor y = layer.forward(x).detach();
  const torch::Tensor w = layer.quantizer->forward(layer.weight).detach();
  ASSERT_EQ(y.sizes(), (std::vector<int64_t>{2, 6, 4, 5}));
  const auto xa = x.accessor<float, 4>();
  const auto wa = w.accessor<float, 4>();
  const auto ya = y.accessor<float, 4>();
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t o = 0; o < 6; ++o)
      for (int64_t i = 0; i < 4; ++i)
        for (int64_t j = 0; j < 5; ++j) {
          double sum = 0;
          for (int64_t c = 0; c < 2; ++c)
            for (int64_t a = 0; a < 3; ++a)
              for (int64_t b = 0; b < 3; ++b) {
                const int64_t row = 2 * i + a - 1, col = 2 * j + b - 1;
                if (row < 0 || row >= 7 || col < 0 || col >= 9) continue;
                sum += double(wa[o][c][a][b]) * double(xa[n][o / 3 * 2 + c][row][col]);
              }
          EXPECT_NEAR(ya[n][o][i][j], sum, 1e-5);
        }
}

TEST(QuantLayer, FoldNamesChannelsThatHadToBeClamped) {
  const LayerSpec spec{
      .name = "c", .in_channels = 2, .out_channels = 3, .bias = false, .batch_norm = true};
  QuantLayerImpl layer(spec, true, {}, 3, 0);
  const torch::NoGradGuard no_grad;
  layer.gamma[1] = 0;
  layer.beta[1] = 1;
  const FoldedLayer folded = layer.fold(torch::full({1}, 0.1F));
  EXPECT_TRUE(torch::equal(folded.factor_raised, torch::tensor({false, true, false})));
  EXPECT_TRUE(torch::equal(folded.bias_clamped, torch::tensor({false, true, false})));
  EXPECT_EQ(folded.bias[1].item<double>(), 1073741824.0);
  EXPECT_GT(folded.scales[1].item<double>(), 0);
}

TEST(Sparsity, IsWeightedByMacsAndLeavesTheImageOut) {
  Model model = calibrated(ModelOptions{});
  model->eval();
  model->set_recording(true);
  SparsityMeter meter;
  int64_t zeros = 0;
  for (const uint64_t seed : {uint64_t{1}, uint64_t{2}}) {
    model->forward(images(model->options(), 4, seed));
    meter.add(*model);
    zeros += (model->layer_inputs()[0].values == 0).sum().item<int64_t>();
  }
  const SparsityReport report = meter.report(*model);
  EXPECT_EQ(report.layers.size(), 4u);
  EXPECT_EQ(report.layers.count("conv1"), 0u);
  EXPECT_DOUBLE_EQ(report.layers.at("conv2"), double(zeros) / (8 * 6 * 14 * 14));
  double sum = 0, macs = 0;
  for (size_t i = 1; i < 5; ++i) {
    const double weight = static_cast<double>(model->macs()[i]);
    sum += weight * report.layers.at(model->layers()[i]->spec().name);
    macs += weight;
  }
  EXPECT_DOUBLE_EQ(report.network, sum / macs);
}

TEST(Sparsity, PenaltiesPushNonZeroActivationsDown) {
  for (const SparsityPenalty kind : {SparsityPenalty::kL1, SparsityPenalty::kHoyerSquare}) {
    Model model = calibrated(ModelOptions{});
    model->set_recording(true);
    model->forward(images(model->options(), 16));
    const torch::Tensor penalty = sparsity_penalty(*model, kind);
    penalty.backward();
    EXPECT_GT(penalty.item<double>(), 0);
    EXPECT_GT(model->layers()[1]->bias.grad().sum().item<double>(), 0) << to_string(kind);
  }
}

TEST(Sparsity, L1IsTheMeanPerElementAveragedOverLayers) {
  Model model = calibrated(ModelOptions{});
  model->set_recording(true);
  model->forward(images(model->options(), 4));
  double sum = 0;
  for (const LayerInput& input : model->layer_inputs())
    sum += input.values.abs().mean().item<double>();
  EXPECT_NEAR(sparsity_penalty(*model, SparsityPenalty::kL1).item<double>(), sum / 4, 1e-6);
}

TEST(Sparsity, GradientOfL1IsThatOfLibTorchsOwnOperations) {
  Model model = calibrated(ModelOptions{});
  model->set_recording(true);
  model->forward(images(model->options(), 4));
  const std::vector<torch::Tensor> parameters{model->layers()[0]->weight, model->layers()[1]->bias};
  torch::Tensor composed;
  for (const LayerInput& input : model->layer_inputs()) {
    const torch::Tensor term = input.values.abs().mean() / 4;
    composed = composed.defined() ? composed + term : term;
  }
  const auto expected = torch::autograd::grad({composed * 3}, parameters, {}, true);
  const auto got =
      torch::autograd::grad({sparsity_penalty(*model, SparsityPenalty::kL1) * 3}, parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_GT(expected[i].abs().sum().item<double>(), 0);
    EXPECT_TRUE(torch::allclose(got[i], expected[i], 1e-4, 1e-7)) << got[i] - expected[i];
  }
}

TEST(Sparsity, MacWeightingCountsALayerByItsProducts) {
  Model model = calibrated(ModelOptions{});
  model->set_recording(true);
  model->forward(images(model->options(), 4));
  double sum = 0, macs = 0;
  for (const LayerInput& input : model->layer_inputs()) {
    const auto weight = static_cast<double>(model->macs()[static_cast<size_t>(input.layer)]);
    sum += weight * input.values.abs().mean().item<double>();
    macs += weight;
  }
  const torch::Tensor penalty =
      sparsity_penalty(*model, SparsityPenalty::kL1, SparsityWeighting::kMacs);
  EXPECT_NEAR(penalty.item<double>(), sum / macs, 1e-6);
}

/// Hoyer-square over all elements of one group, in plain numbers.
double hoyer_square(const torch::Tensor& x) {
  const double sum = x.abs().sum().item<double>();
  return sum == 0 ? 0 : sum * sum / (x * x).sum().item<double>();
}

TEST(Sparsity, ByChannelsHoyerSquareIsMeasuredInEachChannelOfMaps) {
  Model model = calibrated(ModelOptions{});
  model->set_recording(true);
  model->forward(images(model->options(), 4));
  double expected = 0;
  for (const LayerInput& input : model->layer_inputs()) {
    const torch::Tensor x = input.values.detach();
    double measure = 0;
    if (x.dim() == 4)
      for (int64_t c = 0; c < x.size(1); ++c) measure += hoyer_square(x.select(1, c));
    else
      measure = hoyer_square(x);
    expected += measure / static_cast<double>(x.numel()) / 4;
  }
  const torch::Tensor penalty =
      sparsity_penalty(*model, SparsityPenalty::kHoyerSquare, SparsityWeighting::kLayers,
                       SparsityGrouping::kChannels);
  EXPECT_NEAR(penalty.item<double>(), expected, 1e-5);
}

/// d penalty / d log(size) of a channel of conv2's input, as sum of x * dP/dx.
torch::Tensor pull_on_channels(SparsityGrouping grouping) {
  Model model = calibrated(ModelOptions{});
  {
    const torch::NoGradGuard no_grad;
    model->layers()[0]->weight[3].mul_(0.2);  // a weak channel
    model->layers()[1]->weight.zero_();       // silence behind it: no gradient from there
    model->layers()[1]->bias.fill_(-1);
  }
  model->set_recording(true);
  model->forward(images(model->options(), 16));
  const torch::Tensor x = model->layer_inputs()[0].values;
  x.retain_grad();
  sparsity_penalty(*model, SparsityPenalty::kHoyerSquare, SparsityWeighting::kLayers, grouping)
      .backward();
  return (x.detach() * x.grad()).sum({0, 2, 3});
}

TEST(Sparsity, ByChannelsNoChannelIsPushedToDie) {
  const torch::Tensor together = pull_on_channels(SparsityGrouping::kLayers);
  const torch::Tensor apart = pull_on_channels(SparsityGrouping::kChannels);
  EXPECT_GT(together[3].item<double>(), 1e-3) << "together the weak channel is pushed down";
  EXPECT_LT(apart.abs().max().item<double>(), 1e-3 * together[3].item<double>());
}

TEST(Sparsity, ByChannelsASilentChannelGivesAFiniteGradient) {
  Model model = calibrated(ModelOptions{});
  {
    const torch::NoGradGuard no_grad;
    model->layers()[0]->weight[3].zero_();
    model->layers()[0]->bias[3].fill_(-1);
  }
  model->set_recording(true);
  model->forward(images(model->options(), 4));
  sparsity_penalty(*model, SparsityPenalty::kHoyerSquare, SparsityWeighting::kLayers,
                   SparsityGrouping::kChannels)
      .backward();
  EXPECT_TRUE(model->layers()[0]->weight.grad().isfinite().all().item<bool>());
}

TEST(Sparsity, FatReluZeroesWhatIsUnderItsShareOfTheClipRange) {
  ModelOptions options;
  const Model plain = calibrated(options);
  options.fatrelu = 0.1;
  Model model = calibrated(options);
  const double threshold = 0.1 * 15 * plain->quantizer_of(1).scale().item<double>();
  const torch::NoGradGuard no_grad;
  ActivationQuantizerImpl& quantizer = *model->quantizers()[1];
  quantizer.log_scale.sub_(5);  // wherever training takes the scale, the threshold holds
  const torch::Tensor x = torch::linspace(0, 4 * threshold, 1001).view({1, -1});
  const torch::Tensor q = quantizer.forward(x);
  EXPECT_EQ(q.masked_select(x < 0.999 * threshold).max().item<double>(), 0);
  EXPECT_GT(q.masked_select(x > 1.001 * threshold).min().item<double>(), 0);
  EXPECT_TRUE(torch::equal(quantizer.codes(x) > 0, q > 0)) << "evaluation agrees";
}

TEST(SparsityController, ReachesTheTargetOfASlowPlant) {
  SparsityController controller({.target = 0.85});
  double sparsity = 0.5;
  for (int i = 0; i < 400; ++i) {
    const double settled = 1 / (1 + std::pow(controller.strength() / 0.3, -0.5));
    sparsity += 0.2 * (settled - sparsity);
    controller.update(sparsity);
  }
  EXPECT_NEAR(sparsity, 0.85, 0.005);
}

TEST(SparsityController, ResumesFromItsState) {
  SparsityController a({.target = 0.8}), b({.target = 0.8});
  a.update(0.5);
  b.load_state(a.state());
  a.update(0.6);
  b.update(0.6);
  EXPECT_EQ(a.strength(), b.strength());
  EXPECT_THROW(b.load_state({1}), Error);
}

}  // namespace
}  // namespace flatenn::nn
