#include <gtest/gtest.h>

#include "campaign/test_plan.h"
#include "engine/cuda/cuda_engine.h"
#include "flatenn/campaign/results.h"
#include "flatenn/interop/onnx.h"

/// Campaigns on several GPUs of this machine.
namespace flatenn::campaign {
namespace {

using testing::small_images;
using testing::SmallCampaign;

/// One network of those that run in one launch, and one that runs layer by layer.
class Gpus : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (const std::string reason = engine::cuda_unavailable(); !reason.empty())
      GTEST_SKIP() << reason;
    if (engine::cuda_device_count() < 2) GTEST_SKIP() << "this machine has one GPU";
    net::Network network =
        GetParam() ? net::testing::lenet({.seed = 3}) : net::testing::residual({.seed = 4}, 64, 16);
    network.metadata["name"] = "subject";
    network.metadata["dataset"] = "mnist";
    interop::write_onnx(network, small_.folder() / "subject.onnx");
    small_.options().images = small_images(network, 300);
    small_.options().engine.threads = 4;
  }

  std::string table_on(const std::string& db, engine::EngineKind kind,
                       std::vector<int64_t> devices) {
    Config config = Config::from_string(
        "models = [\"subject.onnx\"]\nkinds = [\"bit_flip\", \"stuck_at_1\"]\n"
        "rates = [0.001, 0.02]\ntrials = 300\nseed = 8\n",
        "plan");
    small_.options().engine.kind = kind;
    small_.options().devices = std::move(devices);
    report_ = small_.run(read_plan(config, small_.folder().path()), db);
    return to_csv(load_results(small_.folder() / db));
  }

  SmallCampaign small_;
  CampaignReport report_;
};

TEST_P(Gpus, GiveTheTableOfOneAndOfTheCpu) {
  const std::string one = table_on("one.db", engine::EngineKind::kCuda, {0});
  const std::string second = table_on("second.db", engine::EngineKind::kCuda, {1});
  const std::string two = table_on("two.db", engine::EngineKind::kCuda, {0, 1});
  EXPECT_EQ(report_.parts.size(), 2U);
  for (const Part& part : report_.parts) EXPECT_GT(part.trials, 0) << part.name;
  EXPECT_NE(report_.engine.find("cuda:0-1/"), std::string::npos) << report_.engine;
  const std::string cpu = table_on("cpu.db", engine::EngineKind::kCpu, {});
  EXPECT_EQ(one, cpu);
  EXPECT_EQ(second, cpu);
  EXPECT_EQ(two, cpu);
}

INSTANTIATE_TEST_SUITE_P(Both, Gpus, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "Whole" : "Layers"; });

}  // namespace
}  // namespace flatenn::campaign
