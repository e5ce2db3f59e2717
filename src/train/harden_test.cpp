#include "flatenn/train/harden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "flatenn/base/file.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/train/checkpoint.h"
#include "flatenn/train/freeze.h"
#include "net/testing.h"
#include "train/run_data.h"
#include "train/run_testing.h"
#include "train/testing.h"

namespace flatenn::train {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kSettings = R"(
[data]
name = "mnist"
[train]
epochs = 2
batch_size = 40
threads = 1
)";

class Harden : public ::testing::Test {
 protected:
  Harden() { testing::write_easy_mnist(folder_ / "data", 400, 200); }

  HardenRequest request(std::shared_ptr<const net::Network> network, const std::string& out) {
    HardenRequest request;
    request.training = {.out = folder_ / out,
                        .data_root = (folder_ / "data").string(),
                        .quiet = true,
                        .network = std::move(network)};
    request.trials = 4;
    return request;
  }
  HardenOutcome run(const HardenRequest& request, const std::vector<std::string>& assignments = {},
                    const std::string& toml = kSettings) {
    Config config = Config::from_string(toml, "test.toml");
    for (const std::string& assignment : assignments) config.set(assignment);
    return harden(std::move(config), request);
  }
  std::string error_of(const HardenRequest& request,
                       const std::vector<std::string>& assignments = {}) {
    return testing::error_of([&] { run(request, assignments); });
  }
  net::Network result(const std::string& out) {
    return interop::read_onnx(folder_ / out / "model.onnx");
  }

  /// A network that has learned the easy images, in another folder.
  std::shared_ptr<const net::Network> trained(const std::string& model) {
    run_training(
        Config::from_string(std::string(kSettings) + model, "test.toml"),
        {.out = folder_ / "source", .data_root = (folder_ / "data").string(), .quiet = true});
    return std::make_shared<net::Network>(result("source"));
  }

  TemporaryFolder folder_;
};

TEST_F(Harden, TrainsComparesAndKeepsTheStructure) {
  const auto network = trained("[model]\narchitecture = \"lenet5\"\n");
  const HardenOutcome outcome = run(request(network, "out"), {"sparsity.penalty=\"l1\""});
  ASSERT_EQ(outcome.status, RunStatus::kFinished);
  EXPECT_GT(outcome.after.accuracy, 0.9);
  ASSERT_EQ(outcome.cells.size(), 2U);
  for (const HardenCell& cell : outcome.cells) {
    EXPECT_EQ(cell.kind, "bit_flip");
    EXPECT_EQ(cell.trials, 4);
    EXPECT_TRUE(cell.before_ci.contains(cell.before));
    EXPECT_TRUE(cell.after_ci.contains(cell.after));
    EXPECT_NEAR(cell.change, cell.after - cell.before, 1e-12);
  }
  testing::expect_same_structure(*network, result("out"));
  EXPECT_NE(net::content_hash(*network), net::content_hash(result("out")));
  EXPECT_EQ(net::content_hash(*network),
            net::content_hash(interop::read_onnx(folder_ / "out" / "imported.onnx")));
  // A run folder as any other.
  const LoadedRun loaded = load_run(folder_ / "out");
  EXPECT_EQ(net::content_hash(freeze(*loaded.model).network), net::content_hash(result("out")));
}

TEST_F(Harden, KeepsScalesOrLearnsThem) {
  const auto network = trained("[model]\narchitecture = \"mlp\"\nhidden = [24]\n");
  const auto scales = [](const net::Network& from) {
    std::vector<float> all;
    for (const net::Activation& activation : from.activations) all.push_back(activation.scale);
    for (const net::Layer& layer : from.layers)
      all.insert(all.end(), layer.weights.scales.begin(), layer.weights.scales.end());
    return all;
  };
  run(request(network, "keep"));
  run(request(network, "fresh"), {"quant.scales=\"fresh\"", "optimizer.learning_rate=0.05"});
  EXPECT_EQ(scales(result("keep")), scales(*network));
  EXPECT_NE(scales(result("fresh")), scales(*network));
}

TEST_F(Harden, ResumesBitForBit) {
  const auto network = trained("[model]\narchitecture = \"mlp\"\nhidden = [24]\n");
  const std::vector<std::string> settings = {"quant.scales=\"fresh\"", "train.ema=0.9",
                                             "sparsity.penalty=\"l1\"", "sparsity.target=0.5"};
  run(request(network, "whole"), settings);
  HardenRequest parts = request(network, "parts");
  int64_t steps = 0;
  parts.training.stop_requested = [&] { return ++steps == 7; };
  EXPECT_EQ(run(parts, settings).status, RunStatus::kInterrupted);
  parts.training.stop_requested = nullptr;
  parts.training.resume = true;
  EXPECT_EQ(run(parts, settings).status, RunStatus::kFinished);
  EXPECT_EQ(net::content_hash(result("whole")), net::content_hash(result("parts")));

  net::Network other = *network;
  other.layers[0].bias[0] += 1;
  parts.training.network = std::make_shared<net::Network>(other);
  EXPECT_THAT(error_of(parts, settings), HasSubstr("begun from another network"));
  EXPECT_EQ(net::content_hash(result("whole")), net::content_hash(result("parts")));
}

TEST_F(Harden, RefusesWhatDoesNotFitInOneLine) {
  const auto network = trained("[model]\narchitecture = \"mlp\"\nhidden = [24]\n");
  const HardenRequest fine = request(network, "out");
  for (const char* key :
       {"quant.weight_bits=3", "model.architecture=\"mlp\"", "layers.fc1.weight_bits=3",
        "sparsity.fatrelu=0.1", "warm_start.run=\"x\"", "quant.per_channel=true"})
    EXPECT_THAT(error_of(fine, {key}), HasSubstr("structure and bits stay as they are")) << key;
  EXPECT_THAT(error_of(request(std::make_shared<net::Network>(net::testing::lenet({}, 16)), "out")),
              AllOf(HasSubstr("1x28x28"), HasSubstr("takes 1x16x16")));
  net::Network few = *network;  // of eight classes
  net::Layer& last = few.layers.back();
  last.weights.out_channels = 8;
  last.weights.codes.resize(static_cast<size_t>(8 * last.weights.in_channels));
  if (last.weights.scales.size() > 1) last.weights.scales.resize(8);
  last.bias.resize(8);
  few.activations.back().shape.channels = 8;
  EXPECT_THAT(error_of(request(std::make_shared<net::Network>(few), "out")),
              AllOf(HasSubstr("label 9"), HasSubstr("8 classes")));
  net::Network useless = *network;  // one layer whose result nobody reads
  net::Layer unread = useless.layers[0];
  unread.name = "unread";
  unread.dst = std::ssize(useless.activations);
  useless.activations.push_back(useless.activations[1]);
  useless.layers.insert(useless.layers.begin() + 1, unread);
  EXPECT_THAT(error_of(request(std::make_shared<net::Network>(useless), "out")),
              AllOf(HasSubstr("unread"), HasSubstr("no gradient")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out" / "checkpoint.pt"));
}

TEST_F(Harden, DrawsNoRangesInThatStay) {
  const auto network = trained("[model]\narchitecture = \"mlp\"\nhidden = [24]\n");
  for (const char* key : {"weight_range.penalty=0.1", "weight_range.code_rms=0.5"}) {
    EXPECT_THAT(error_of(request(network, "out"), {key}), HasSubstr("needs learned scales")) << key;
    EXPECT_EQ(
        error_of(request(network, std::string("fresh") + key), {key, "quant.scales=\"fresh\""}),
        "");
  }
}

/// Their words are not those of the values that training computes with.
TEST_F(Harden, LearnsNoFaultsOfWeightsWithZeroPoints) {
  net::Network network = *trained("[model]\narchitecture = \"mlp\"\nhidden = [24]\n");
  const auto error_with = [&](int zero) {
    network.layers[0].weights.zero_points.assign(1, zero);
    const std::string out = "zero" + std::to_string(zero);
    return error_of(request(std::make_shared<net::Network>(network), out), {"randbet.rate=0.01"});
  };
  EXPECT_EQ(error_with(0), "");
  EXPECT_THAT(error_with(1), AllOf(HasSubstr("layer fc1"), HasSubstr("have zero points")));
}

TEST_F(Harden, KeepsTheLastGoodStateWhereTrainingDiverges) {
  const auto network = trained("[model]\narchitecture = \"mlp\"\nhidden = [24]\n");
  const std::string error =
      error_of(request(network, "out"), {"quant.scales=\"fresh\"", "optimizer.learning_rate=1e9",
                                         "optimizer.clip_norm=0", "optimizer.kind=\"sgd\""});
  EXPECT_THAT(error, HasSubstr("diverged"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out" / "checkpoint.pt"));
}

}  // namespace
}  // namespace flatenn::train
