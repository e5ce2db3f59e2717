#include "train/workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/error.h"
#include "flatenn/nn/runtime.h"
#include "train/collective_testing.h"
#include "train/run_testing.h"
#include "train/state_archive.h"

/// Several workers on the CPU's threads, which stand for GPUs.
namespace flatenn::train {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kImages = 400;

TrainConfig config_for(const std::string& model, const std::vector<std::string>& assignments) {
  Config config = Config::from_string(testing::kEveryState + ("\n[model]\n" + model), "test.toml");
  for (const std::string& assignment : assignments) config.set(assignment);
  TrainConfig read = read_train_config(config);
  read.model.input = {1, 28, 28};
  read.model.classes = 10;
  return read;
}

/// Workers on one set of images, all from the same weights.
struct Rig {
  Rig(const TrainConfig& config, int64_t count)
      : Rig(config, count, testing::easy_images(kImages, 1)) {}

  Rig(const TrainConfig& config, int64_t count, data::ImageSet set) : images(std::move(set)) {
    nn::set_up_runtime(1);
    std::vector<std::unique_ptr<BatchSource>> batches;
    for (int64_t i = 0; i < count; ++i) {
      batches.push_back(make_batch_source(
          images, {.batch_size = config.batch_size, .seed = config.seed, .augment = config.augment},
          torch::kCPU));
      models.emplace_back(config.model);
    }
    batches.front()->start_epoch(0);
    models.front()->calibrate(batches.front()->batch(0).images);
    for (nn::Model& model : models) load_state(*model, nn::named_state(*models.front()));
    workers = std::make_unique<Workers>(
        config, models, std::move(batches),
        std::vector<torch::Device>(static_cast<size_t>(count), torch::kCPU),
        count > 1 ? testing::thread_collectives(count)
                  : std::vector<std::unique_ptr<Collective>>());
  }

  Rig& step(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) workers->step();
    return *this;
  }

  data::ImageSet images;
  std::vector<nn::Model> models;
  std::unique_ptr<Workers> workers;
};

bool is_statistic(const std::string& name) { return name.find("running_") != std::string::npos; }

void expect_equal(nn::Model& a, nn::Model& b, bool statistics) {
  const NamedTensors one = nn::named_state(*a), two = nn::named_state(*b);
  ASSERT_EQ(one.size(), two.size());
  for (const auto& [name, tensor] : one) {
    if (!statistics && is_statistic(name)) continue;
    EXPECT_TRUE(torch::equal(tensor, two.at(name))) << name;
  }
}

const std::string kLenet = "architecture = \"lenet5\"\n";
/// With batch norm, which is why running statistics differ from one worker's.
const std::string kResnet = "architecture = \"resnet8\"\nwidth = 4\n";
constexpr int64_t kSteps = 12;  ///< Beyond the first epoch of ten.

struct Recipe {
  const char* name;
  std::vector<std::string> assignments;
};
void PrintTo(const Recipe& recipe, std::ostream* out) { *out << recipe.name; }

class AnyRecipe : public ::testing::TestWithParam<Recipe> {};

/// Halves of a mean are exact, so two workers do what one does in two parts, to the last bit.
TEST_P(AnyRecipe, TwoWorkersEqualOneThatAccumulatesTwoParts) {
  for (const std::string& model : {kLenet, kResnet}) {
    std::vector<std::string> parts = GetParam().assignments;
    Rig one(config_for(model, parts), 1);
    parts.emplace_back("train.accumulate=1");
    Rig two(config_for(model, parts), 2);
    one.step(kSteps);
    two.step(kSteps);
    expect_equal(one.models[0], two.models[0], /*statistics=*/false);
    EXPECT_NEAR(one.workers->first().totals().loss, two.workers->first().totals().loss, 1e-12);
    EXPECT_EQ(one.workers->first().totals().accuracy, two.workers->first().totals().accuracy);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Workers, AnyRecipe,
    ::testing::Values(
        Recipe{"saq", {}}, Recipe{"sgd", {"optimizer.kind=sgd"}},
        Recipe{"sam", {"optimizer.kind=sam"}}, Recipe{"asaq", {"optimizer.kind=asaq"}},
        Recipe{"adam", {"optimizer.base=adam", "optimizer.learning_rate=0.002"}},
        Recipe{"gsam", {"sharpness.gap=0.3"}}, Recipe{"every", {"sharpness.every=3"}},
        Recipe{"biases", {"sharpness.perturb_biases=true", "sharpness.perturb_batch_norm=true"}},
        Recipe{"clip", {"optimizer.clip_norm=0.5"}},
        Recipe{"range", {"weight_range.code_rms=0.4"}}),
    [](const auto& tested) { return std::string(tested.param.name); });

/// Gradients with and without faults are mixed, which rounds in another order.
TEST(Workers, AgreeOnRandomBitErrorsToRounding) {
  Rig one(config_for(kLenet, {"randbet.rate=0.01"}), 1);
  Rig two(config_for(kLenet, {"randbet.rate=0.01", "train.accumulate=1"}), 2);
  one.step(2);
  two.step(2);
  const NamedTensors wanted = nn::named_state(*one.models[0]);
  for (const auto& [name, tensor] : nn::named_state(*two.models[0]))
    EXPECT_TRUE(torch::allclose(tensor, wanted.at(name), 1e-5, 1e-6)) << name;
}

TEST(Workers, HoldTheSameBitsAfterEveryStep) {
  for (const int64_t count : {2, 4}) {
    Rig rig(config_for(kResnet, {"train.accumulate=1", "noise.activations=0.02"}), count);
    for (int64_t i = 0; i < 5; ++i) {
      rig.step(1);
      for (int64_t other = 1; other < count; ++other)
        expect_equal(rig.models[0], rig.models[static_cast<size_t>(other)], true);
    }
  }
}

/// Where all images are alike, two workers differ in their noise alone.
TEST(Workers, EachDrawsNoiseOfItsOwn) {
  const data::ImageSet one = testing::easy_images(1, 1);
  data::ImageSet alike = testing::easy_images(kImages, 1);
  for (int64_t i = 0; i < kImages; ++i)
    std::copy(one.pixels.begin(), one.pixels.end(),
              alike.pixels.begin() + i * std::ssize(one.pixels));
  alike.labels.assign(alike.labels.size(), one.labels.front());
  const auto loss = [&](const std::string& noise, int64_t batch, int64_t count) {
    Rig rig(
        config_for(kLenet, {"noise.activations=" + noise, "train.accumulate=1", "augment.crop=0",
                            "augment.flip=false", "train.batch_size=" + std::to_string(batch)}),
        count, alike);
    rig.step(1);
    return rig.workers->first().totals().loss;
  };
  EXPECT_NEAR(loss("0", 20, 1), loss("0", 40, 2), 1e-6);
  EXPECT_GT(std::abs(loss("0.1", 20, 1) - loss("0.1", 40, 2)), 1e-3);
}

TEST(Workers, RunningStatisticsAreTheMeanOverParts) {
  const TrainConfig config =
      config_for(kResnet, {"train.accumulate=1", "optimizer.kind=sgd", "sharpness.from_epoch=0"});
  Rig pair(config, 2);
  TrainConfig half = config;
  half.batch_size /= 2;
  std::vector<torch::Tensor> means;
  for (int64_t part = 0; part < 2; ++part) {
    Rig alone(config, 1);
    const std::unique_ptr<BatchSource> whole = make_batch_source(
        alone.images,
        {.batch_size = config.batch_size, .seed = config.seed, .augment = config.augment},
        torch::kCPU);
    whole->start_epoch(0);
    alone.models[0]->train();
    const torch::NoGradGuard no_grad;
    alone.models[0]->forward(
        whole->batch(0).images.narrow(0, part * half.batch_size, half.batch_size));
    means.push_back(alone.models[0]->layers()[0]->running_mean.clone());
  }
  pair.step(1);
  EXPECT_TRUE(torch::allclose(pair.models[0]->layers()[0]->running_mean, (means[0] + means[1]) / 2,
                              1e-6, 1e-7));
  EXPECT_FALSE(torch::equal(means[0], means[1]));
}

TEST(Workers, ThatPerturbAloneDifferButOnlyWhereThereIsAPerturbation) {
  const auto trained = [](const std::vector<std::string>& assignments) {
    std::vector<std::string> all = {"train.accumulate=1", "sharpness.from_epoch=0"};
    all.insert(all.end(), assignments.begin(), assignments.end());
    Rig rig(config_for(kLenet, all), 2);
    rig.step(3);
    return rig.models[0]->layers()[0]->weight.detach().clone();
  };
  EXPECT_FALSE(torch::equal(trained({}), trained({"sharpness.per_device=true"})));
  EXPECT_TRUE(torch::equal(trained({"sharpness.rho=0"}),
                           trained({"sharpness.rho=0", "sharpness.per_device=true"})));
}

TEST(Workers, GoOnFromACheckpointToTheLastBit) {
  const TrainConfig config = config_for(kResnet, {"train.accumulate=1"});
  Rig whole(config, 2);
  whole.step(7);
  std::stringstream stream;
  torch::serialize::OutputArchive out;
  whole.workers->first().save(out);
  out.save_to(stream);
  Rig resumed(config, 2);
  torch::serialize::InputArchive in;
  in.load_from(stream);
  resumed.workers->load(in);
  whole.step(kSteps - 7);
  resumed.step(kSteps - 7);
  for (size_t i = 0; i < 2; ++i) expect_equal(whole.models[i], resumed.models[i], true);
  EXPECT_EQ(whole.workers->first().totals().loss, resumed.workers->first().totals().loss);
}

TEST(Workers, OneThatFailsEndsTheStepOfAll) {
  Rig rig(config_for(kLenet, {"train.accumulate=1"}), 2);
  rig.step(1);
  {
    const torch::NoGradGuard no_grad;
    rig.models[1]->layers()[0]->weight.fill_(std::nanf(""));
  }
  EXPECT_THAT(testing::error_of([&] { rig.step(1); }), HasSubstr("diverged"));
}

TEST(Workers, NeedABatchThatTheyDivide) {
  const TrainConfig config = config_for(kLenet, {});
  EXPECT_EQ(
      testing::error_of([&] { Rig(config, 3); }),
      "train.batch_size: expected a multiple of 6 for 3 GPUs and train.accumulate = 2, got 40");
}

TEST(Meeting, LetsNobodyWaitForWhoFailed) {
  Meeting meeting(2);
  std::string error;
  std::thread waiting([&] { error = testing::error_of([&] { meeting.wait(); }); });
  meeting.abort();
  waiting.join();
  EXPECT_EQ(error, "another worker of this training failed");
}

}  // namespace
}  // namespace flatenn::train
