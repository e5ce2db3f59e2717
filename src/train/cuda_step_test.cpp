#include <gtest/gtest.h>
#include <torch/torch.h>

#include "engine/cuda/cuda_engine.h"
#include "flatenn/train/sam.h"
#include "train/activation_noise.h"
#include "train/device_batches.h"
#include "train/ema.h"
#include "train/objective.h"
#include "train/recorded_steps.h"
#include "train/run_testing.h"
#include "train/testing.h"
#include "train/weight_faults.h"
#include "train/weight_range.h"

/// Training steps on a CUDA device, with algorithms that give the same bits every time. Skipped
/// where there is no device.
namespace flatenn::train {
namespace {

using testing::batch_for;

const std::vector<SharpnessMethod> kTwoPass = {SharpnessMethod::kSam, SharpnessMethod::kSaq,
                                               SharpnessMethod::kAsaq};

class CudaStep : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string reason = engine::cuda_unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
    options_ = testing::options_for(GetParam());
  }

  nn::ModelOptions options_;
};

/// A model as run_training() puts it on the device, its optimizer, and a batch that stays in place.
struct Rig {
  nn::Model model;
  std::unique_ptr<Optimizer> optimizer;
  SharpnessStepper stepper;
  ExponentialAverage averages;
  Objective objective;
  train::Batch batch;

  Rig(const nn::ModelOptions& options, const SharpnessOptions& sharpness, double rate = 0.1)
      : model(on_device(options)),
        optimizer(make_optimizer(*model, {.learning_rate = rate, .weight_decay = 1e-3})),
        stepper(model, *optimizer, sharpness),
        averages(model, 0.9),
        objective(model, objective_config(), torch::kCUDA) {
    const testing::Batch first = batch_for(options, 16);
    batch.images = first.images.to(torch::kCUDA).contiguous(at::MemoryFormat::ChannelsLast);
    batch.labels = first.labels.to(torch::kCUDA);
    model->train();
  }

  static nn::Model on_device(const nn::ModelOptions& options) {
    nn::Model model = testing::calibrated_model(options);
    model->to(torch::kCUDA);
    model->use_channels_last();
    model->set_compute_type(torch::kBFloat16);
    return model;
  }

  static TrainConfig objective_config() {
    TrainConfig config;
    config.sparsity.penalty = nn::SparsityPenalty::kL1;
    return config;
  }

  void load(const testing::Batch& next) {
    batch.images.copy_(next.images);
    batch.labels.copy_(next.labels);
  }
  StepResult step() {
    const StepResult result = stepper.step([&](Pass pass) { return objective.run(batch, pass); });
    averages.update();
    return result;
  }
};

void expect_equal(const std::map<std::string, torch::Tensor>& a,
                  const std::map<std::string, torch::Tensor>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, value] : a)
    EXPECT_TRUE(torch::equal(value, b.at(name))) << what << ": " << name;
}

TEST_P(CudaStep, RhoZeroEqualsTheBaseOptimizerBitForBit) {
  for (const SharpnessMethod method : kTwoPass) {
    Rig base(options_, {}), sharp(options_, {.method = method, .rho = 0});
    for (int64_t i = 0; i < 3; ++i) {
      base.load(batch_for(options_, 16, i));
      sharp.load(batch_for(options_, 16, i));
      EXPECT_TRUE(torch::equal(base.step().loss, sharp.step().loss));
    }
    expect_equal(nn::named_state(*base.model), nn::named_state(*sharp.model), to_string(method));
  }
}

TEST_P(CudaStep, BatchStatisticsMoveInTheFirstPassOnly) {
  Rig base(options_, {}, /*rate=*/0);
  base.step();
  for (const SharpnessMethod method : kTwoPass) {
    Rig sharp(options_, {.method = method, .rho = 0.5}, /*rate=*/0);
    sharp.step();
    expect_equal(nn::named_state(*base.model), nn::named_state(*sharp.model), to_string(method));
  }
}

/// Weights, averages and losses after steps whose learning rate and images change.
TEST_P(CudaStep, ARecordedStepEqualsThePlainOne) {
  for (const SharpnessMethod method : {SharpnessMethod::kSgd, SharpnessMethod::kSaq}) {
    Rig plain(options_, {.method = method, .rho = 0.1});
    Rig recorded(options_, {.method = method, .rho = 0.1});
    RecordedSteps steps;
    for (int64_t i = 0; i < 8; ++i) {
      for (Rig* rig : {&plain, &recorded}) {
        rig->optimizer->set_learning_rate(0.1 / static_cast<double>(i + 1));
        rig->load(batch_for(options_, 16, i));
      }
      const torch::Tensor expected = plain.step().loss;
      const torch::Tensor loss = steps.run(0, [&] { return recorded.step(); }).loss;
      EXPECT_TRUE(torch::equal(expected, loss)) << "step " << i;
    }
    const std::string what = to_string(method);
    expect_equal(nn::named_state(*plain.model), nn::named_state(*recorded.model), what);
    expect_equal(plain.averages.state(), recorded.averages.state(), what);
  }
}

TEST_P(CudaStep, ARecordedStepMeasuresTheSparsityOfItsOwnBatch) {
  Rig plain(options_, {}), recorded(options_, {});
  RecordedSteps steps;
  for (int64_t i = 0; i < 7; ++i) {
    for (Rig* rig : {&plain, &recorded}) {
      rig->load(batch_for(options_, 16, i));
      rig->objective.measure_next();
    }
    plain.step();
    steps.run(0, [&] { return recorded.step(); });
    EXPECT_EQ(plain.objective.take_sparsity(), recorded.objective.take_sparsity()) << i;
  }
}

fault::FaultModel bit_flips() { return fault::FaultModel::of_kind(fault::FaultKind::kBitFlip); }

/// A Rig with every recipe that reads from the device what changes between steps.
struct RecipeRig : Rig {
  WeightFaults faults;
  ActivationNoise noise;

  explicit RecipeRig(const nn::ModelOptions& options)
      : Rig(options, {.method = SharpnessMethod::kSaq, .rho = 0.1, .gap = 0.2}),
        faults(model, bit_flips()),
        noise(model, 0.05, /*seed=*/3, /*images=*/16) {}

  void start_step(int64_t index) {
    load(batch_for(model->options(), 16, index));
    // While the step is recorded, next to no layer has a fault.
    faults.set(faults.draw(index < 5 ? 1e-6 : 0.02, 3, static_cast<uint64_t>(index)));
    noise.start_step(index);
  }
  StepResult step() {
    const StepResult result = stepper.step(
        [&](Pass pass) {
          noise.start_pass();
          if (pass == Pass::kFaulty) faults.apply();
          const torch::Tensor loss = objective.run(batch, pass);
          WeightFaults::clear(*model);
          return loss;
        },
        /*faulty_share=*/0.5);
    clip_weights(*model, 0.5);
    averages.update();
    return result;
  }
};

/// Faults and noise are drawn between replays: a recorded step meets those of its own turn.
TEST_P(CudaStep, ARecordedStepMeetsTheFaultsAndNoiseOfItsTurn) {
  RecipeRig plain(options_), recorded(options_);
  RecordedSteps steps;
  for (int64_t i = 0; i < 8; ++i) {
    for (RecipeRig* rig : {&plain, &recorded}) rig->start_step(i);
    const torch::Tensor expected = plain.step().loss;
    const torch::Tensor loss = steps.run(0, [&] { return recorded.step(); }).loss;
    EXPECT_TRUE(torch::equal(expected, loss)) << "step " << i;
  }
  expect_equal(nn::named_state(*plain.model), nn::named_state(*recorded.model), "recipes");
}

TEST_P(CudaStep, FaultsOfWeightsAreTheCpus) {
  nn::Model here = testing::calibrated_model(options_), there = Rig::on_device(options_);
  WeightFaults expected(here, bit_flips()), faults(there, bit_flips());
  expected.set(expected.draw(0.02, 1, 5));
  faults.set(faults.draw(0.02, 1, 5));
  expected.apply();
  faults.apply();
  for (size_t i = 0; i < here->layers().size(); ++i) {
    const torch::Tensor got = there->layers()[i]->value_change.cpu();
    // Scales are exponentials, whose last bit differs: codes at ties may, and their faults.
    const torch::Tensor differ = got.ne(here->layers()[i]->value_change);
    EXPECT_LE(differ.sum().item<int64_t>(), got.numel() / 1000) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, CudaStep, ::testing::Values("lenet5", "resnet20"));

TEST(CudaBatches, AreTheCpusBits) {
  const std::string reason = engine::cuda_unavailable();
  if (!reason.empty()) GTEST_SKIP() << reason;
  const data::ImageSet images = testing::easy_images(40, 5);
  const BatchOptions options{
      .batch_size = 8, .seed = 3, .augment = {.crop = 2, .flip = true, .cutout = 9}};
  const auto here = make_batch_source(images, options, torch::kCPU);
  const auto there = make_batch_source(images, options, torch::kCUDA);
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    here->start_epoch(epoch);
    there->start_epoch(epoch);
    for (int64_t index = 0; index < here->batches(); ++index) {
      const train::Batch expected = here->batch(index), batch = there->batch(index);
      EXPECT_TRUE(torch::equal(batch.images.cpu(), expected.images));
      EXPECT_TRUE(torch::equal(batch.labels.cpu(), expected.labels));
    }
  }
}

}  // namespace
}  // namespace flatenn::train
