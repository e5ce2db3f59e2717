#include "flatenn/analysis/check_codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "analysis/answers_testing.h"
#include "flatenn/base/error.h"
#include "flatenn/campaign/plan.h"

namespace flatenn::analysis {
namespace {

class CheckCodes : public OwnAnswers {
 protected:
  CheckCodeReport compare(const HardeningOptions& options) {
    return compare_check_codes(network_, *engine_, *codes_, labels_, 1, options);
  }
};

TEST_F(CheckCodes, SecdedKeepsMoreThanNoCodeAtRatesOfSingleErrors) {
  const CheckCodeReport report = compare({.rate = 0.003, .trials = 6});
  ASSERT_EQ(report.codes.size(), 4U);
  EXPECT_EQ(report.codes[0].extra_share, 0);
  EXPECT_GE(report.codes[2].accuracy.mean, report.codes[0].accuracy.mean);
  EXPECT_NEAR(report.codes[2].extra_share, 0.125, 0.05);  // 8 of 64, blocks filled up
}

TEST_F(CheckCodes, ProposesTheSmallestThatSuffices) {
  const CheckCodeReport easy = compare({.rate = 1e-9, .trials = 2});
  EXPECT_EQ(easy.codes[easy.proposed].name, "none");
  EXPECT_TRUE(easy.reached);
  const CheckCodeReport hopeless = compare({.rate = 0.5, .tolerated_drop = 0, .trials = 2});
  EXPECT_FALSE(hopeless.reached);
  for (const CheckCodeOutcome& code : hopeless.codes)
    EXPECT_LE(code.accuracy.mean, hopeless.codes[hopeless.proposed].accuracy.mean);
}

TEST_F(CheckCodes, ProposedPlansAreReadByTheCampaign) {
  const HardeningOptions options{.kind = fault::FaultKind::kStuckAt1,
                                 .encoding = fault::Encoding::kGray,
                                 .rate = 0.1,
                                 .trials = 3};
  CheckCodeReport report = compare(options);
  report.proposed = 3;
  const PlanTarget target{"a \"b\".onnx", "mnist"};
  Config config = Config::from_string(check_code_plan_toml(target, report, options), "plan.toml");
  const campaign::Plan plan = campaign::read_plan(config);
  ASSERT_EQ(plan.models.size(), 1U);
  EXPECT_EQ(plan.models[0].filename(), "a \"b\".onnx");
  ASSERT_EQ(plan.kinds.size(), 1U);
  EXPECT_EQ(plan.kinds[0].name, "stuck_at_1");
  EXPECT_EQ(plan.kinds[0].model.protection, report.codes[3].protection);
  EXPECT_EQ(plan.kinds[0].model.encoding, fault::Encoding::kGray);
}

TEST_F(CheckCodes, HardeningPlansAreReadByTheCampaign) {
  const HardeningOptions options{.rate = 0.1, .trials = 3};
  HardeningCurve curve;
  curve.steps = {{}, {.layer = "fc1", .bit = 3, .hardened_bits = 10, .hardened_share = 0.1}};
  curve.steps[1].layer = network_->layers[0].name;
  Config config = Config::from_string(
      hardening_plan_toml(*network_, {"m.onnx", "mnist"}, curve, options), "plan.toml");
  const campaign::Plan plan = campaign::read_plan(config);
  ASSERT_EQ(plan.kinds.size(), 1U);
  EXPECT_EQ(plan.kinds[0].model.sources.size(), 2U);
  EXPECT_EQ(plan.kinds[0].model.sources[0].bits, (std::vector<int>{0, 1, 2}));
}

TEST_F(CheckCodes, APlanWithoutFaultsIsRefused) {
  HardeningCurve curve;
  curve.steps.emplace_back();
  for (const net::WeightTensor& tensor : net::weight_memory(*network_)) {
    for (int bit = 0; bit < tensor.bits; ++bit)
      curve.steps.push_back({.layer = tensor.name, .bit = bit});
  }
  EXPECT_THROW(hardening_plan_toml(*network_, {"m.onnx", "mnist"}, curve, {}), Error);
}

}  // namespace
}  // namespace flatenn::analysis
