// Recipes for fault tolerance in whole steps of a training: what each does, and that none of it
// does anything where it is off.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <fstream>

#include "train/loop.h"
#include "train/run_testing.h"
#include "train/testing.h"
#include "train/weight_range.h"

namespace flatenn::train {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kImages = 160;

/// A training of easy images, made anew from a configuration.
struct Rig {
  explicit Rig(const std::string& toml)
      : images(testing::easy_images(kImages, 1)), config(read(toml)) {
    batches = make_batch_source(images, {.batch_size = config.batch_size, .seed = config.seed},
                                torch::kCPU);
    model = nn::Model(config.model);
    batches->start_epoch(0);
    if (config.model.quant.enabled) model->calibrate(batches->batch(0).images);
    trainer = std::make_unique<Trainer>(config, model, *batches, torch::kCPU);
  }

  static TrainConfig read(const std::string& toml) {
    Config config = Config::from_string(
        "data.name = \"mnist\"\nmodel.architecture = \"mlp\"\nmodel.hidden = [24, 16]\n"
        "quant.first_last_bits = 0\ntrain.batch_size = 32\ntrain.epochs = 20\n"
        "schedule.kind = \"constant\"\n" +
            toml,
        "test.toml");
    return read_train_config(config);
  }

  Rig& steps(int64_t count) {
    for (int64_t i = 0; i < count; ++i) trainer->step();
    return *this;
  }

  data::ImageSet images;
  TrainConfig config;
  std::unique_ptr<BatchSource> batches;
  nn::Model model{nullptr};
  std::unique_ptr<Trainer> trainer;
};

bool equal_states(const Rig& a, const Rig& b) {
  const auto other = nn::named_state(*b.model);
  for (const auto& [name, value] : nn::named_state(*a.model))
    if (!torch::equal(value, other.at(name))) return false;
  return true;
}

const std::vector<std::string> kMethods = {
    "optimizer.kind = \"sgd\"\n", "optimizer.kind = \"sam\"\n", "optimizer.kind = \"saq\"\n",
    "optimizer.kind = \"asaq\"\n", "optimizer.kind = \"saq\"\noptimizer.base = \"adam\"\n"};

/// Each setting with the value that means nothing, and one that means something.
struct Setting {
  std::string off;
  std::string on;
  bool sharp_only = false;
};
const std::vector<Setting> kSettings = {
    {"randbet.rate = 0.0", "randbet.rate = 0.02"},
    {"randbet.rate = 0.02\nrandbet.from_epoch = 9", "randbet.rate = 0.02\nrandbet.share = 1.0"},
    {"sharpness.every = 1", "sharpness.every = 2", true},
    {"sharpness.ascent_share = 1.0", "sharpness.ascent_share = 0.25", true},
    {"sharpness.gap = 0.0", "sharpness.gap = 0.3", true},
    {"weight_range.limit = 1e6", "weight_range.limit = 0.05"},
    {"weight_range.penalty = 0.0", "weight_range.penalty = 0.1"},
    {"weight_range.code_rms = 0.0", "weight_range.code_rms = 0.4"},
    {"noise.activations = 0.0", "noise.activations = 0.1"},
};

TEST(Recipes, ThatAreOffEqualTheBaseBitForBit) {
  for (const std::string& method : kMethods) {
    Rig base(method);
    base.steps(7);
    for (const Setting& setting : kSettings) {
      EXPECT_TRUE(equal_states(base, Rig(method + setting.off + "\n").steps(7)))
          << method << setting.off;
      const bool plain = method == kMethods[0];
      EXPECT_EQ(equal_states(base, Rig(method + setting.on + "\n").steps(7)),
                plain && setting.sharp_only)
          << method << setting.on;
    }
  }
}

TEST(Recipes, AllTogetherTrain) {
  Rig rig(
      "optimizer.kind = \"saq\"\nsharpness.rho = 0.05\nsharpness.every = 2\n"
      "sharpness.ascent_share = 0.5\nsharpness.gap = 0.1\nrandbet.rate = 0.01\n"
      "randbet.ramp_epochs = 2\nweight_range.penalty = 1e-3\nweight_range.code_rms = 0.4\n"
      "weight_range.limit = 0.5\nnoise.activations = 0.02\ntrain.accumulate = 2\ntrain.ema = "
      "0.9\n");
  rig.steps(5);
  const double first = rig.trainer->totals().loss;
  rig.trainer->reset_totals();
  rig.steps(30);
  rig.trainer->reset_totals();
  rig.steps(5);
  EXPECT_LT(rig.trainer->totals().loss, 0.5 * first);
}

/// With rho = 0 the ascent changes nothing, so plain steps in between do not either.
TEST(Recipes, StepsBetweenSharpOnesAreTheBases) {
  const std::string flat = "optimizer.kind = \"saq\"\nsharpness.rho = 0.0\n";
  Rig base("");
  EXPECT_TRUE(equal_states(base.steps(6), Rig(flat + "sharpness.every = 3\n").steps(6)));
  // The first step is sharp, so one of a million equals one of every step.
  const std::string sharp = "optimizer.kind = \"saq\"\n";
  EXPECT_TRUE(equal_states(Rig(sharp).steps(1), Rig(sharp + "sharpness.every = 1000\n").steps(1)));
}

TEST(Recipes, TheRelativeRadiusOfTheLastSharpStepIsKept) {
  Rig rig("optimizer.kind = \"saq\"\nsharpness.every = 4\n");
  rig.steps(1);
  const double sharp = rig.trainer->rho_relative();
  EXPECT_GT(sharp, 0);
  rig.steps(2);
  EXPECT_EQ(rig.trainer->rho_relative(), sharp);
}

TEST(Recipes, AnAscentOnPartOfABatchStillCountsAllImages) {
  Rig rig(
      "optimizer.kind = \"saq\"\nsharpness.ascent_share = 0.25\noptimizer.learning_rate = 0.0\n");
  EXPECT_EQ(rig.config.ascent_images(), 8);
  rig.steps(1);
  const Trainer::Totals totals = rig.trainer->totals();
  EXPECT_GT(totals.loss, 1.0);
  EXPECT_LT(totals.loss, 5.0);
  EXPECT_LE(totals.accuracy, 1.0);
  Rig parts("optimizer.kind = \"saq\"\nsharpness.ascent_share = 0.01\ntrain.accumulate = 4\n");
  EXPECT_EQ(parts.config.ascent_images(), 4);
  parts.steps(1);
}

/// old - new = rate * ((1 - share) g + share g'), g' taken apart with the same faults in place.
TEST(Recipes, RandomBitErrorsMixTheCleanAndTheFaultyGradient) {
  const auto change = [&](const std::string& toml) {
    Rig rig("optimizer.momentum = 0.0\n" + toml);
    std::vector<torch::Tensor> before;
    for (const auto& layer : rig.model->layers()) before.push_back(layer->weight.detach().clone());
    rig.steps(1);
    std::vector<torch::Tensor> changes;
    for (size_t i = 0; i < before.size(); ++i)
      changes.push_back(before[i] - rig.model->layers()[i]->weight.detach());
    return changes;
  };
  const auto clean = change("");
  const auto faulty = change("randbet.rate = 0.05\nrandbet.share = 1.0\n");
  const auto mixed = change("randbet.rate = 0.05\nrandbet.share = 0.25\n");
  for (size_t i = 0; i < clean.size(); ++i) {
    EXPECT_FALSE(torch::allclose(clean[i], faulty[i]));
    EXPECT_TRUE(torch::allclose(mixed[i], 0.75 * clean[i] + 0.25 * faulty[i], 1e-3, 1e-6)) << i;
  }
}

TEST(Recipes, TheRateOfBitErrorsRises) {
  const RandomFaultOptions options{.rate = 0.1, .from_epoch = 2, .ramp_epochs = 4};
  EXPECT_EQ(options.rate_at(1.9), 0);
  EXPECT_EQ(options.rate_at(2), 0);
  EXPECT_DOUBLE_EQ(options.rate_at(3), 0.025);
  EXPECT_DOUBLE_EQ(options.rate_at(6), 0.1);
  EXPECT_DOUBLE_EQ(options.rate_at(60), 0.1);
  EXPECT_DOUBLE_EQ((RandomFaultOptions{.rate = 0.1}.rate_at(0)), 0.1);
}

/// A chip on which each eighth top bit of the first layer is stuck, half of them at each value:
/// training on it must learn around them, and its loss there be lower than a clean training's.
TEST(Recipes, DefectsOfOneChipAreInEveryPass) {
  const TemporaryFolder folder;
  const auto file = folder / "chip.csv";
  {
    std::ofstream text(file);
    text << "layer,element,bit,kind\n";
    for (int64_t i = 0; i < 24 * 784; i += 8)
      text << "fc1," << i << ",3,stuck_at_" << i / 8 % 2 << "\n";
  }
  const std::string defects = "defects.file = \"" + file.string() + "\"\n";
  const auto loss_on_chip = [&](const std::string& toml) {
    Rig trained(toml);
    trained.steps(60);
    Rig chip(defects + "optimizer.learning_rate = 0.0\n");
    const auto state = nn::named_state(*trained.model);
    const torch::NoGradGuard no_grad;
    for (auto& [name, value] : nn::named_state(*chip.model)) value.copy_(state.at(name));
    {
      const torch::AutoGradMode with_grad(true);
      chip.steps(5);
    }
    return chip.trainer->totals().loss;
  };
  EXPECT_LT(loss_on_chip(defects), 0.5 * loss_on_chip(""));
}

TEST(Recipes, ADefectThatIsNotInTheNetworkIsNamedWithItsLine) {
  const TemporaryFolder folder;
  const auto file = folder / "chip.csv";
  std::ofstream(file) << "layer,element,bit,kind\nfc1,0,3,stuck_at_1\nfc9,0,3,stuck_at_1\n";
  const auto start = [&] { Rig rig("defects.file = \"" + file.string() + "\"\n"); };
  EXPECT_THAT(testing::error_of(start), HasSubstr("chip.csv:3: no stored tensor 'fc9'"));
  std::ofstream(file) << R"({"encoding": "gray", "faults": []})";
  EXPECT_NE(testing::error_of(start), "");
  EXPECT_NE(testing::error_of([] { Rig rig("defects.file = \"nowhere.csv\"\n"); }), "");
}

TEST(Recipes, WeightsStayWithinTheirLimit) {
  Rig rig("weight_range.limit = 0.03\n");
  rig.steps(5);
  for (const auto& layer : rig.model->layers())
    EXPECT_LE(layer->weight.abs().max().item<float>(), 0.03F);
}

double rms_share(const Rig& rig, const std::string& layer) {
  return nn::code_rms(*rig.model).at(layer) / 7.5;
}

TEST(Recipes, CodesAreDrawnToTheWantedRange) {
  for (const double wanted : {0.25, 0.5}) {
    Rig rig("weight_range.code_rms_strength = 0.1\nweight_range.code_rms = " +
            std::to_string(wanted) + "\n");
    rig.steps(90);
    for (const std::string layer : {"fc1", "fc2", "fc3"})
      EXPECT_NEAR(rms_share(rig, layer), wanted, 0.1 * wanted) << layer;
  }
}

TEST(Recipes, ThePenaltyOnTheRangeMakesItSmaller) {
  Rig base(""), small("weight_range.penalty = 0.1\n");
  base.steps(60), small.steps(60);
  const auto before = nn::weight_scales(*base.model), after = nn::weight_scales(*small.model);
  for (const auto& [layer, scale] : before) EXPECT_LT(after.at(layer), scale) << layer;
}

/// Against differences: the penalty is quadratic in exp(t), the pull in t.
TEST(Recipes, PenaltiesOnRangesHaveTheirGradients) {
  nn::ModelOptions model_options = testing::options_for("lenet5");
  model_options.quant.quantizer = nn::WeightQuantizerKind::kLiq;  // with a gain
  model_options.quant.first_last_bits = 7;
  nn::Model model = testing::calibrated_model(model_options);
  const WeightRangeOptions options{.penalty = 0.3};
  const torch::Tensor value = range_penalty(*model, options);
  value.backward();
  double sum = 0;
  for (const auto& layer : model->layers()) {
    const double s = layer->quantizer->log_scale.exp().item<double>();
    const double alpha = s * static_cast<double>(layer->quantizer->grid().max_value()) *
                         layer->quantizer->gain.item<double>();
    sum += 0.3 * alpha * alpha;
    EXPECT_NEAR(layer->quantizer->log_scale.grad().item<double>(), 2 * 0.3 * alpha * alpha, 1e-4);
  }
  EXPECT_NEAR(value.item<double>(), sum, 1e-4);
  EXPECT_FALSE(range_penalty(*model, {}).defined());
}

TEST(Recipes, NoiseIsAFunctionOfSeedAndStep) {
  nn::Model model = testing::calibrated_model(testing::options_for("mlp"));
  model->train();
  const torch::Tensor images = testing::batch_for(model->options(), 6).images;
  const auto logits = [&](ActivationNoise& noise, int64_t step) {
    noise.start_step(step);
    noise.start_pass();
    return model->forward(images).detach();
  };
  torch::Tensor third, fourth;
  {
    ActivationNoise noise(model, 0.2, 5, 6);
    third = logits(noise, 3);
    fourth = logits(noise, 4);
    noise.start_pass();
    EXPECT_TRUE(torch::equal(model->forward(images), fourth)) << "the same in both passes";
  }
  const torch::Tensor clean = model->forward(images).detach();
  EXPECT_FALSE(torch::equal(third, fourth));
  EXPECT_FALSE(torch::equal(third, clean));
  {
    ActivationNoise again(model, 0.2, 5, 6);
    EXPECT_TRUE(torch::equal(third, logits(again, 3)));
  }
  ActivationNoise other(model, 0.2, 6, 6);
  EXPECT_FALSE(torch::equal(third, logits(other, 3)));
}

TEST(Recipes, NoiseHasItsDeviationAndIsOffWhereTheNetworkIsEvaluated) {
  nn::ModelOptions options = testing::options_for("mlp");
  options.quant.activation_bits = 8;
  nn::Model model = testing::calibrated_model(options);
  const torch::Tensor images = testing::batch_for(options, 60).images;
  model->train();
  model->set_recording(true);
  const auto first_outputs = [&] {
    model->forward(images);
    return model->layer_inputs().front().values.detach().clone();
  };
  const torch::Tensor clean = first_outputs();
  model->eval();
  const torch::Tensor evaluated = model->forward(images);
  const double deviation = 0.01;
  ActivationNoise noise(model, deviation, 5, 60);
  noise.start_step(0);
  EXPECT_TRUE(torch::equal(model->forward(images), evaluated));
  model->train();
  noise.start_pass();
  const double range =
      model->quantizers()[1]->scale().item<double>() * static_cast<double>((1 << 8) - 1);
  const torch::Tensor inside = (clean > 0.035 * range) & (clean < 0.9 * range);
  const torch::Tensor change = (first_outputs() - clean).masked_select(inside);
  ASSERT_GT(change.numel(), 1000);
  EXPECT_NEAR(change.std().item<double>(), deviation * range, 0.1 * deviation * range);
  EXPECT_NEAR(change.mean().item<double>(), 0, 0.1 * deviation * range);
}

TEST(Recipes, SettingsThatNeedCodesOrLearnedScalesSaySo) {
  const auto error_in = [](const std::string& toml) {
    return testing::error_of([&] { Rig::read(toml); });
  };
  EXPECT_THAT(error_in("quant.enabled = false\nrandbet.rate = 0.1\n"),
              HasSubstr("randbet.rate: needs quant.enabled"));
  EXPECT_THAT(error_in("quant.enabled = false\nnoise.activations = 0.1\n"),
              HasSubstr("noise.activations: needs quant.enabled"));
  EXPECT_THAT(error_in("quant.quantizer = \"tied\"\nweight_range.code_rms = 0.5\n"),
              HasSubstr("weight_range.code_rms: needs learned scales"));
  EXPECT_THAT(error_in("randbet.kind = \"flip\"\n"), HasSubstr("randbet.kind: must be one of"));
  EXPECT_THAT(error_in("randbet.share = 0.0\n"), HasSubstr("randbet.share: must be in"));
  EXPECT_THAT(error_in("sharpness.every = 0\n"), HasSubstr("sharpness.every"));
  EXPECT_THAT(error_in("sharpness.ascent_share = 1.5\n"), HasSubstr("sharpness.ascent_share"));
}

}  // namespace
}  // namespace flatenn::train
