#include "flatenn/train/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/interop/safetensors.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/train/checkpoint.h"
#include "flatenn/train/float_weights.h"
#include "train/run_testing.h"

namespace flatenn::train {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kTrainImages = 400;
constexpr int64_t kTestImages = 200;

/// Everything that keeps state between steps, in a network that trains in a second.
const std::string kEverything = std::string(testing::kEveryState) + R"(
[model]
architecture = "mlp"
hidden = [24, 16]
)";
/// A mirrored easy image shows another class.
const char* const kNoFlip = "augment.flip=false";
constexpr int64_t kStepsPerEpoch = kTrainImages / 40;

class RunTraining : public ::testing::Test {
 protected:
  RunTraining() { testing::write_easy_mnist(folder_ / "data", kTrainImages, kTestImages); }

  TrainOutcome train(const std::string& toml, const std::string& out,
                     const std::vector<std::string>& assignments = {}, bool resume = false,
                     int64_t stop_after = -1) {
    Config config = Config::from_string(toml, "test.toml");
    for (const std::string& assignment : assignments) config.set(assignment);
    TrainRequest request{.out = folder_ / out,
                         .data_root = (folder_ / "data").string(),
                         .resume = resume,
                         .quiet = true};
    int64_t steps = 0;
    if (stop_after >= 0) request.stop_requested = [&, stop_after] { return ++steps >= stop_after; };
    return run_training(std::move(config), request);
  }
  std::string error_of_training(const std::string& toml, const std::string& out,
                                const std::vector<std::string>& assignments = {},
                                bool resume = false) {
    return testing::error_of([&] { train(toml, out, assignments, resume); });
  }

  nlohmann::json record(const std::string& out) {
    return nlohmann::json::parse(read_file(folder_ / out / "run.json"));
  }
  /// Lines of metrics.jsonl without what depends on the clock.
  std::vector<nlohmann::json> metrics(const std::string& out) {
    std::istringstream text(read_file(folder_ / out / "metrics.jsonl"));
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(text, line);) {
      lines.push_back(nlohmann::json::parse(line));
      lines.back().erase("seconds");
      lines.back().erase("images_per_second");
    }
    return lines;
  }
  std::string network_hash(const std::string& out) {
    return net::content_hash(interop::read_onnx(folder_ / out / "model.onnx"));
  }

  TemporaryFolder folder_;
};

TEST_F(RunTraining, LearnsFreezesAndFillsItsFolder) {
  const TrainOutcome outcome =
      train(kEverything, "run", {"train.ema=0", "train.epochs=6", kNoFlip});
  ASSERT_EQ(outcome.status, RunStatus::kFinished);
  EXPECT_GT(outcome.result->accuracy, 0.9);
  EXPECT_EQ(outcome.result->code_rms.size(), 3U);

  const nlohmann::json json = record("run");
  EXPECT_EQ(json["status"], "finished");
  EXPECT_EQ(json["name"], "run");
  EXPECT_EQ(json["config"]["train"]["epochs"], 6);
  EXPECT_EQ(json["dataset"]["train_images"], kTrainImages);
  EXPECT_GT(json["result"]["rho_relative"], 0.0);

  const auto lines = metrics("run");
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_LT(lines[5]["train_loss"], lines[0]["train_loss"]);

  const net::Network network = interop::read_onnx(folder_ / "run" / "model.onnx");
  EXPECT_EQ(network.metadata.at("recipe"), "saq");
  EXPECT_EQ(network.metadata.at("activation"), "sparse");
  EXPECT_EQ(network.metadata.at("dataset"), "mnist");
}

TEST_F(RunTraining, TheFrozenNetworkAgreesWithTheTrainingNetwork) {
  const TrainOutcome outcome = train(kEverything, "run");
  // Half an image of 200: codes may differ in ties alone.
  EXPECT_NEAR(outcome.result->accuracy, metrics("run").back()["test_accuracy"], 0.0051);
  EXPECT_NEAR(outcome.result->sparsity, metrics("run").back()["sparsity"], 0.001);
}

/// Stops after every one of these steps: inside the first epoch, before and after the method
/// changes, at and beside epoch ends.
class Resume : public RunTraining, public ::testing::WithParamInterface<int64_t> {};

TEST_P(Resume, EndsWithTheWeightsAndMetricsOfAnUninterruptedTraining) {
  train(kEverything, "whole");
  const TrainOutcome stopped = train(kEverything, "parts", {}, false, GetParam());
  EXPECT_EQ(stopped.status, RunStatus::kInterrupted);
  EXPECT_EQ(record("parts")["status"], "interrupted");
  const TrainOutcome resumed = train(kEverything, "parts", {}, true);
  EXPECT_EQ(resumed.status, RunStatus::kFinished);

  EXPECT_EQ(network_hash("parts"), network_hash("whole"));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
  const auto whole = load_run_state(folder_ / "whole");
  const auto parts = load_run_state(folder_ / "parts");
  ASSERT_EQ(whole.size(), parts.size());
  for (const auto& [name, tensor] : whole)
    EXPECT_TRUE(torch::equal(tensor, parts.at(name))) << name;
}

/// The same with every recipe on: faults and noise of a step are its own, whoever did those before.
TEST_P(Resume, EndsWithTheWeightsOfAnUninterruptedTrainingWithEveryRecipe) {
  const std::vector<std::string> recipes = {
      "sharpness.every=2",         "sharpness.ascent_share=0.5", "sharpness.gap=0.2",
      "randbet.rate=0.01",         "randbet.ramp_epochs=1.5",    "weight_range.limit=0.5",
      "weight_range.penalty=1e-3", "weight_range.code_rms=0.4",  "noise.activations=0.05"};
  train(kEverything, "whole", recipes);
  train(kEverything, "parts", recipes, false, GetParam());
  train(kEverything, "parts", recipes, true);
  EXPECT_EQ(network_hash("parts"), network_hash("whole"));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
}

INSTANTIATE_TEST_SUITE_P(AnyStep, Resume,
                         ::testing::Values(1, 4, kStepsPerEpoch - 1, kStepsPerEpoch,
                                           kStepsPerEpoch + 3, 2 * kStepsPerEpoch + 1));

TEST_F(RunTraining, AResumeOfAFinishedTrainingOnlyMeasuresAgain) {
  const TrainOutcome first = train(kEverything, "run");
  const TrainOutcome second = train(kEverything, "run", {}, true);
  EXPECT_EQ(second.result->accuracy, first.result->accuracy);
  EXPECT_EQ(second.result->rho_relative, first.result->rho_relative);
  EXPECT_EQ(metrics("run").size(), 3U);
}

TEST_F(RunTraining, AResumeWithoutCheckpointStartsAnew) {
  EXPECT_EQ(train(kEverything, "run", {}, true).status, RunStatus::kFinished);
}

TEST_F(RunTraining, AResumeUnderAnotherConfigurationNamesTheKey) {
  train(kEverything, "run", {}, false, 2);
  EXPECT_THAT(error_of_training(kEverything, "run", {"optimizer.learning_rate=0.1"}, true),
              HasSubstr("optimizer.learning_rate: 0.05 before, 0.1 now"));
}

/// Under a schedule that does not look at the end.
const std::vector<std::string> kConstantRate = {"schedule.kind=constant",
                                                "schedule.warmup_epochs=0"};
std::vector<std::string> for_epochs(int64_t epochs) {
  std::vector<std::string> assignments = kConstantRate;
  assignments.push_back("train.epochs=" + std::to_string(epochs));
  return assignments;
}

TEST_F(RunTraining, AResumeForMoreEpochsEndsWhereALongerTrainingDoes) {
  train(kEverything, "long", for_epochs(4));
  train(kEverything, "run", for_epochs(2));
  EXPECT_EQ(train(kEverything, "run", for_epochs(4), true).status, RunStatus::kFinished);
  EXPECT_EQ(metrics("run"), metrics("long"));
  EXPECT_EQ(network_hash("run"), network_hash("long"));
  EXPECT_EQ(record("run")["config"]["train"]["epochs"], 4);
}

TEST_F(RunTraining, AResumeForFewerEpochsThanAreDoneIsRefused) {
  train(kEverything, "run", for_epochs(3));
  EXPECT_THAT(error_of_training(kEverything, "run", for_epochs(2), true),
              HasSubstr("has done 3 epochs already, expected at least as many, got 2"));
}

TEST_F(RunTraining, WarnsWhereAccuracyIsThatOfGuessing) {
  std::set<bool> seen;
  for (int seed = 1; seed <= 12 && seen.size() < 2; ++seed) {
    const std::string name = "run" + std::to_string(seed);
    const TrainOutcome outcome =
        train(kEverything, name,
              {"optimizer.learning_rate=0", "train.epochs=2", "seed=" + std::to_string(seed)});
    const auto& warnings = outcome.result->warnings;
    const bool warned = std::any_of(warnings.begin(), warnings.end(), [](const auto& warning) {
      return warning.find("hardly better than guessing one of 10 classes") != std::string::npos;
    });
    EXPECT_EQ(warned, outcome.result->accuracy < 0.12) << outcome.result->accuracy;
    seen.insert(warned);
  }
  EXPECT_EQ(seen.size(), 2U) << "networks that are worse and better than the limit";
}

TEST_F(RunTraining, AResumeOnOtherImagesIsRefused) {
  train(kEverything, "run", {}, false, 2);
  testing::write_easy_mnist(folder_ / "data", kTrainImages - 1, kTestImages);
  EXPECT_THAT(error_of_training(kEverything, "run", {}, true), HasSubstr("other images"));
}

TEST_F(RunTraining, AFolderThatHoldsATrainingIsNotOverwritten) {
  train(kEverything, "run", {}, false, 1);
  EXPECT_THAT(error_of_training(kEverything, "run"), HasSubstr("add --resume"));
}

TEST_F(RunTraining, ADamagedCheckpointIsNamed) {
  train(kEverything, "run", {}, false, 1);
  const auto path = folder_ / "run" / "checkpoint.pt";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT(error_of_training(kEverything, "run", {}, true), HasSubstr("checkpoint.pt"));
  std::ofstream(path) << "not an archive";
  EXPECT_THAT(error_of_training(kEverything, "run", {}, true), HasSubstr("checkpoint.pt"));
}

/// A bit that flips anywhere is named, or lies where nothing does.
TEST_F(RunTraining, ACheckpointWithOneWrongBitResumesAsBeforeOrIsRefused) {
  train(kEverything, "run", {}, false, 3);
  const std::filesystem::path path = folder_ / "run" / "checkpoint.pt";
  const std::string good = read_file(path);
  train(kEverything, "run", {}, true);
  const std::string right = network_hash("run");
  int64_t refused = 0;
  constexpr size_t kFlips = 60;
  for (size_t flip = 0; flip < kFlips; ++flip) {
    std::string damaged = good;
    damaged[good.size() * flip / kFlips + flip] ^= static_cast<char>(1 << flip % 8);
    write_file_atomically(path, damaged);
    const std::string error = error_of_training(kEverything, "run", {}, true);
    if (error.empty()) {
      EXPECT_EQ(network_hash("run"), right) << "byte " << good.size() * flip / kFlips + flip;
    } else {
      EXPECT_THAT(error, HasSubstr("checkpoint.pt"));
      ++refused;
    }
  }
  EXPECT_GT(refused, static_cast<int64_t>(kFlips) / 2);
}

TEST_F(RunTraining, ADivergedTrainingKeepsTheLastGoodCheckpointAndSaysWhatToTry) {
  const std::vector<std::string> wild = {"optimizer.learning_rate=1e9", "optimizer.kind=sgd",
                                         "quant.enabled=false", "sparsity.penalty=none",
                                         "sparsity.target=0"};
  const std::string error = error_of_training(kEverything, "run", wild);
  EXPECT_THAT(error, HasSubstr("diverged: the loss is nan in epoch"));
  EXPECT_THAT(error, HasSubstr("smaller optimizer.learning_rate"));
  EXPECT_EQ(record("run")["status"], "diverged");
  for (const auto& [name, tensor] : load_run_state(folder_ / "run"))
    EXPECT_TRUE(torch::isfinite(tensor).all().item<bool>()) << name;
}

/// A device that runs out of memory in one step, or in all of them.
class TooLittleMemory : public RunTraining {
 protected:
  TrainOutcome train_with_failures(int64_t first, int64_t last) {
    Config config = Config::from_string(kEverything, "test.toml");
    config.set("train.accumulate=1");
    int64_t step = 0;
    return run_training(std::move(config), {.out = folder_ / "run",
                                            .data_root = (folder_ / "data").string(),
                                            .quiet = true,
                                            .stop_requested = [&, first, last] {
                                              ++step;
                                              if (step >= first && step <= last)
                                                TORCH_CHECK_WITH(OutOfMemoryError, false, "full");
                                              return false;
                                            }});
  }
};

TEST_F(TooLittleMemory, GoesOnFromTheCheckpointInSmallerParts) {
  const TrainOutcome outcome = train_with_failures(15, 15);
  ASSERT_EQ(outcome.status, RunStatus::kFinished);
  ASSERT_FALSE(outcome.result->warnings.empty());
  EXPECT_THAT(outcome.result->warnings[0], HasSubstr("in 2 parts, and batch norm sees 20 images"));
  EXPECT_EQ(metrics("run").size(), 3U);
  EXPECT_EQ(record("run")["config"]["train"]["accumulate"], 1);  // as configured
}

TEST_F(TooLittleMemory, EndsWhereNothingFits) {
  const std::string error = testing::error_of([&] { train_with_failures(1, 1000); });
  EXPECT_THAT(error, HasSubstr("memory does not suffice, even with 10 images at a time"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "run" / "checkpoint.pt"));
}

TEST_F(RunTraining, StartsFromAFloatNetwork) {
  const TrainOutcome base = train(kEverything, "float",
                                  {"quant.enabled=false", "optimizer.kind=sgd", "train.ema=0",
                                   "sparsity.penalty=none", "sparsity.target=0", kNoFlip});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "float" / "model.onnx"));
  ASSERT_GT(base.result->accuracy, 0.9);
  // Too little learning to get anywhere from a random start.
  const std::vector<std::string> still = {
      "optimizer.learning_rate=1e-6", "train.epochs=2", "quant.weight_bits=8",
      "quant.activation_bits=8",      "train.ema=0",    kNoFlip};
  std::vector<std::string> warm = still;
  warm.push_back("warm_start.run=" + (folder_ / "float").string());
  EXPECT_LT(train(kEverything, "cold", still).result->accuracy, 0.5);
  EXPECT_GT(train(kEverything, "warm", warm).result->accuracy, 0.9);
}

TEST_F(RunTraining, StartsFromSafetensorsAsFromTheRunTheyCameFrom) {
  train(kEverything, "base", {"train.epochs=2"});
  const std::string file = (folder_ / "base.safetensors").string();
  EXPECT_EQ(write_float_weights(folder_ / "base", file),
            std::ssize(load_run_state(folder_ / "base")));
  train(kEverything, "from_run", {"warm_start.run=" + (folder_ / "base").string()});
  train(kEverything, "from_file", {"warm_start.weights=" + file});
  EXPECT_EQ(record("from_run")["warm_start_hash"], record("from_file")["warm_start_hash"]);
  EXPECT_EQ(metrics("from_run"), metrics("from_file"));
}

/// Names of torch.nn.Sequential(Flatten(), Linear(784, 24), ReLU(), Linear(24, 16), ...).
TEST_F(RunTraining, StartsFromWeightsUnderOtherNames) {
  train(kEverything, "base",
        {"train.epochs=2", "quant.enabled=false", "optimizer.kind=sgd", "train.ema=0",
         "sparsity.penalty=none", "sparsity.target=0"});
  const std::string file = (folder_ / "base.safetensors").string();
  write_float_weights(folder_ / "base", file);
  interop::TensorFile tensors = interop::read_safetensors(file);
  for (interop::StoredTensor& tensor : tensors.tensors) {
    const int index = 2 * (tensor.name.at(2) - '0') - 1;  // "fc1.weight" -> "1.weight"
    tensor.name = std::to_string(index) + tensor.name.substr(3);
  }
  interop::write_safetensors(tensors, file);
  train(kEverything, "from_run", {"warm_start.run=" + (folder_ / "base").string()});
  train(kEverything, "from_file", {"warm_start.weights=" + file});
  EXPECT_EQ(metrics("from_run"), metrics("from_file"));
}

TEST_F(RunTraining, AFileThatLacksWeightsIsNamedAndFitsInPart) {
  train(kEverything, "base", {"train.epochs=2"});
  const std::string file = (folder_ / "base.safetensors").string();
  write_float_weights(folder_ / "base", file);
  interop::TensorFile tensors = interop::read_safetensors(file);
  EXPECT_THAT(error_of_training(kEverything, "wide",
                                {"warm_start.weights=" + file, "model.hidden=[24, 17]"}),
              HasSubstr("expected shape [17, 24], got [16, 24]"));
  std::erase_if(tensors.tensors, [](const auto& tensor) { return tensor.name == "fc3.bias"; });
  interop::write_safetensors(tensors, file);
  EXPECT_THAT(error_of_training(kEverything, "run", {"warm_start.weights=" + file}),
              HasSubstr("base.safetensors: holds nothing for fc3.bias of mlp"));
  train(kEverything, "part", {"warm_start.weights=" + file, "warm_start.partial=true"});
  write_file_atomically(folder_ / "net.pt", "PK\x03\x04");
  EXPECT_THAT(error_of_training(kEverything, "run",
                                {"warm_start.weights=" + (folder_ / "net.pt").string()}),
              HasSubstr("is a pickle, which can run code"));
  EXPECT_THAT(error_of_training(kEverything, "run", {"warm_start.weights=a", "warm_start.run=b"}),
              HasSubstr("warm_start.weights"));
}

/// There is no CIFAR-10 here, which would be named where images were looked for first.
TEST_F(RunTraining, WhatDoesNotFitIsNamedBeforeImagesAreRead) {
  train(kEverything, "base", {"train.epochs=2"});
  const std::string file = (folder_ / "base.safetensors").string();
  write_float_weights(folder_ / "base", file);
  const auto error_on_cifar = [&](const std::string& setting) {
    return error_of_training(kEverything, "cifar", {"data.name=cifar10", setting});
  };
  EXPECT_THAT(error_on_cifar("warm_start.weights=" + file),
              HasSubstr("expected shape [24, 3072], got [24, 784]"));
  EXPECT_THAT(error_on_cifar("warm_start.run=" + (folder_ / "base").string()),
              HasSubstr("has shape [24, 3072] here and [24, 784] in the source"));
  EXPECT_THAT(error_on_cifar("defects.file=chip.csv"), HasSubstr("chip.csv"));
  EXPECT_THAT(error_on_cifar("train.epochs=3"), HasSubstr("flatenn data get cifar10"));
}

TEST_F(RunTraining, AWarmStartFromNowhereIsNamed) {
  EXPECT_THAT(error_of_training(kEverything, "run", {"warm_start.run=no/such/run"}),
              HasSubstr("no/such/run/checkpoint.pt"));
}

TEST_F(RunTraining, HeldOutImagesReplaceTheTestSplit) {
  train(kEverything, "run", {"data.hold_out=100", "train.epochs=2"});
  const nlohmann::json dataset = record("run")["dataset"];
  EXPECT_EQ(dataset["train_images"], kTrainImages - 100);
  EXPECT_EQ(dataset["test_images"], 100);
  EXPECT_EQ(dataset["held_out"], true);
}

TEST_F(RunTraining, HoldingOutAllImagesIsRefused) {
  EXPECT_THAT(error_of_training(kEverything, "run", {"data.hold_out=400"}),
              HasSubstr("data.hold_out = 400 leaves none"));
}

TEST_F(RunTraining, ABatchOfMoreImagesThanThereAreIsRefused) {
  EXPECT_THAT(error_of_training(kEverything, "run", {"train.batch_size=402"}),
              HasSubstr("train.batch_size = 402"));
}

TEST_F(RunTraining, MissingDataSaysHowToGetIt) {
  EXPECT_THAT(error_of_training(kEverything, "run", {"data.name=cifar10"}),
              HasSubstr("flatenn data get cifar10"));
}

TEST_F(RunTraining, AnUnknownDeviceIsRefused) {
  Config config = Config::from_string(kEverything, "test.toml");
  const TrainRequest request{.out = folder_ / "run", .device = "tpu"};
  EXPECT_THAT(
      testing::error_of([&] { run_training(std::move(config), request); }),
      HasSubstr("expected cpu, cuda or GPUs as in cuda:1, cuda:0-3 or cuda:0,2, got 'tpu'"));
}

TEST_F(RunTraining, ARunThatCannotBeWrittenIsNamed) {
  std::ofstream(folder_ / "file") << "in the way";
  EXPECT_THAT(error_of_training(kEverything, "file/run"), HasSubstr("file/run"));
}

TEST_F(RunTraining, ALoadedRunComputesWhatWasFrozen) {
  train(kEverything, "run", {"train.epochs=1", "schedule.warmup_epochs=0"});
  const LoadedRun run = load_run(folder_ / "run");
  EXPECT_EQ(run.config.sharpness.method, SharpnessMethod::kSaq);
  EXPECT_EQ(run.model->options().input, (net::Shape{1, 28, 28}));
  EXPECT_TRUE(run.model->calibrated());
}

/// The same on real digits, where they are at hand.
TEST(RunTrainingOnMnist, LearnsDigitsInTwoEpochs) {
  const char* root = std::getenv("FLATENN_DATA");
  if (root == nullptr || !std::filesystem::exists(std::filesystem::path(root) / "mnist"))
    GTEST_SKIP() << "FLATENN_DATA names no folder with mnist";
  TemporaryFolder folder;
  Config config = Config::from_string(
      "[data]\nname = \"mnist\"\ntrain_images = 6000\ntest_images = 1000\n"
      "[quant]\nfirst_last_bits = 0\n[train]\nepochs = 2\nbatch_size = 64\nthreads = 1\n",
      "mnist.toml");
  const TrainOutcome outcome =
      run_training(std::move(config), {.out = folder / "run", .data_root = root, .quiet = true});
  // 0.91 here, to which another BLAS may add or take a point by rounding.
  EXPECT_GT(outcome.result->accuracy, 0.88);
}

}  // namespace
}  // namespace flatenn::train
