#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <nlohmann/json.hpp>

#include "engine/cuda/cuda_engine.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/train/checkpoint.h"
#include "flatenn/train/run.h"
#include "train/collective.h"
#include "train/run_testing.h"

/// Whole trainings on a CUDA device. Skipped where there is none.
namespace flatenn::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Everything that keeps state between steps, and what the device draws by itself.
const std::string kEverything = std::string(testing::kEveryState) + R"(
[model]
architecture = "lenet5"
)";
const std::vector<std::string> kOnTheDevice = {"augment.flip=false", "augment.cutout=5",
                                               "optimizer.learning_rate=0.02", "train.accumulate=1",
                                               "train.label_smoothing=0.1"};
constexpr int64_t kStepsPerEpoch = 400 / 40;

class CudaTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = engine::cuda_unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
    torch::zeros(1, torch::kCUDA);  // LibTorch's allocator answers no question before the first use
    testing::write_easy_mnist(folder_ / "data", 400, 200);
  }

  TrainOutcome train(const std::string& out, const std::vector<std::string>& assignments = {},
                     bool resume = false, int64_t stop_after = -1,
                     const std::string& device = "cuda") {
    Config config = Config::from_string(kEverything, "test.toml");
    for (const auto& some : {kOnTheDevice, assignments})
      for (const std::string& assignment : some) config.set(assignment);
    TrainRequest request{.out = folder_ / out,
                         .data_root = (folder_ / "data").string(),
                         .resume = resume,
                         .device = device,
                         .deterministic = true,
                         .quiet = true};
    int64_t steps = 0;
    if (stop_after >= 0) request.stop_requested = [&, stop_after] { return ++steps >= stop_after; };
    return run_training(std::move(config), request);
  }

  void expect_equal(const std::string& a, const std::string& b) {
    EXPECT_EQ(net::content_hash(interop::read_onnx(folder_ / a / "model.onnx")),
              net::content_hash(interop::read_onnx(folder_ / b / "model.onnx")));
    const auto one = load_run_state(folder_ / a), two = load_run_state(folder_ / b);
    ASSERT_EQ(one.size(), two.size());
    for (const auto& [name, tensor] : one) EXPECT_TRUE(torch::equal(tensor, two.at(name))) << name;
  }

  TemporaryFolder folder_;
};

TEST_F(CudaTraining, ADeterministicOneGivesTheSameBitsTwice) {
  train("one");
  train("two");
  expect_equal("one", "two");
}

TEST_F(CudaTraining, RhoZeroEqualsSgdBitForBit) {
  train("saq", {"sharpness.rho=0"});
  train("sgd", {"optimizer.kind=sgd"});
  expect_equal("saq", "sgd");
}

TEST_F(CudaTraining, LearnsAndAgreesWithItsFrozenNetwork) {
  const TrainOutcome outcome = train("run", {"train.epochs=8", "train.ema=0"});
  ASSERT_EQ(outcome.status, RunStatus::kFinished);
  EXPECT_GT(outcome.result->accuracy, 0.8);
  const std::string lines = read_file(folder_ / "run" / "metrics.jsonl");
  const size_t last = lines.rfind('\n', lines.size() - 2) + 1;
  const auto metrics = nlohmann::json::parse(lines.substr(last));
  // Codes may differ in ties alone.
  EXPECT_NEAR(outcome.result->accuracy, metrics["test_accuracy"].get<double>(), 0.0051);
  EXPECT_NEAR(outcome.result->sparsity, metrics["sparsity"].get<double>(), 0.001);
}

/// Inside the first epoch, before steps are recorded and after, at an epoch's end and beyond.
class CudaResume : public CudaTraining, public ::testing::WithParamInterface<int64_t> {};

TEST_P(CudaResume, EndsWithTheWeightsOfAnUninterruptedTraining) {
  train("whole");
  EXPECT_EQ(train("parts", {}, false, GetParam()).status, RunStatus::kInterrupted);
  EXPECT_EQ(train("parts", {}, true).status, RunStatus::kFinished);
  expect_equal("whole", "parts");
}

INSTANTIATE_TEST_SUITE_P(AnyStep, CudaResume,
                         ::testing::Values(1, 8, kStepsPerEpoch, kStepsPerEpoch + 7));

/// Lets LibTorch have `bytes` of the device's memory, until the end.
class MemoryLimit {
 public:
  explicit MemoryLimit(int64_t bytes) {
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    c10::cuda::CUDACachingAllocator::emptyCache();
    c10::cuda::CUDACachingAllocator::setMemoryFraction(
        static_cast<double>(bytes) / static_cast<double>(total), 0);
  }
  ~MemoryLimit() { c10::cuda::CUDACachingAllocator::setMemoryFraction(1.0, 0); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
};

TEST_F(CudaTraining, NeedsNoMoreMemoryThanThereIs) {
  const std::vector<std::string> large = {"model.architecture=resnet18", "model.width=32",
                                          "train.batch_size=400", "train.epochs=4"};
  c10::cuda::CUDACachingAllocator::emptyCache();
  c10::cuda::CUDACachingAllocator::resetPeakStats(0);
  train("all", large);
  const auto bytes = c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocated_bytes[0];
  const int64_t kept = bytes.current;  // by tests before, out of reach of this one
  const MemoryLimit limit(kept + (bytes.peak - kept) / 2);
  EXPECT_EQ(train("half", large).status, RunStatus::kFinished);
}

TEST_F(CudaTraining, SaysInOneLineWhereNothingFits) {
  const MemoryLimit limit(int64_t{1} << 20);
  const std::string error = testing::error_of([&] { train("none"); });
  EXPECT_THAT(error, HasSubstr("memory does not suffice"));
  EXPECT_THAT(error, Not(HasSubstr("\n")));
}

/// On two GPUs, which share every batch.
class TwoGpus : public CudaTraining {
 protected:
  void SetUp() override {
    CudaTraining::SetUp();
    if (IsSkipped()) return;
    if (torch::cuda::device_count() < 2) GTEST_SKIP() << "this machine has one GPU";
    const std::string missing = testing::error_of([] { make_collectives({}); });
    if (!missing.empty()) GTEST_SKIP() << missing;
  }

  TrainOutcome train_on_two(const std::string& out, const std::vector<std::string>& assignments,
                            bool resume = false, int64_t stop_after = -1) {
    return train(out, assignments, resume, stop_after, "cuda:0-1");
  }

  void expect_close(const std::string& a, const std::string& b) {
    const auto one = load_run_state(folder_ / a), two = load_run_state(folder_ / b);
    for (const auto& [name, tensor] : one) {
      if (name.find("running_") != std::string::npos) continue;
      EXPECT_TRUE(torch::allclose(tensor, two.at(name), 1e-3, 1e-4)) << name;
    }
  }
};

/// In codes and strengths that ties decide, rounding would grow: a single epoch, without them.
const std::vector<std::string> kSmooth = {"quant.enabled=false", "sparsity.penalty=none",
                                          "sparsity.target=0", "train.epochs=2"};

TEST_F(TwoGpus, DoWhatOneDoesInTwoParts) {
  std::vector<std::string> parts = kSmooth;
  train_on_two("two", parts);
  parts.emplace_back("train.accumulate=2");
  train("one", parts);
  expect_close("one", "two");
}

TEST_F(TwoGpus, GiveTheSameBitsTwice) {
  train_on_two("one", {});
  train_on_two("two", {});
  expect_equal("one", "two");
}

/// Before steps are recorded and after.
TEST_F(TwoGpus, GoOnToTheBitsOfAnUninterruptedTraining) {
  train_on_two("whole", {});
  for (const int64_t step : {2, 17}) {
    const std::string out = "parts" + std::to_string(step);
    EXPECT_EQ(train_on_two(out, {}, false, step).status, RunStatus::kInterrupted);
    EXPECT_EQ(train_on_two(out, {}, true).status, RunStatus::kFinished);
    expect_equal("whole", out);
  }
}

TEST_F(TwoGpus, LearnAsOneWithBatchNormAndAPerturbationEach) {
  std::vector<std::string> settings = {"model.architecture=resnet8", "train.epochs=12",
                                       "train.ema=0", "sharpness.per_device=true"};
  const TrainOutcome two = train_on_two("two", settings);
  settings.emplace_back("train.accumulate=2");
  const TrainOutcome one = train("one", settings);
  ASSERT_EQ(two.status, RunStatus::kFinished);
  EXPECT_GT(two.result->accuracy, 0.3);
  EXPECT_NEAR(two.result->accuracy, one.result->accuracy, 0.2);
}

TEST_F(TwoGpus, TheSecondAloneGivesTheBitsOfTheFirst) {
  train("first");
  train("second", {}, false, -1, "cuda:1");
  expect_equal("first", "second");
}

TEST_F(TwoGpus, SayInOneLineWhereNothingFits) {
  const MemoryLimit limit(int64_t{1} << 20);
  const std::string error = testing::error_of([&] { train_on_two("none", {}); });
  EXPECT_THAT(error, HasSubstr("memory does not suffice"));
  EXPECT_THAT(error, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace flatenn::train
