#include "report/merge_plans.h"

#include <gtest/gtest.h>

#include "flatenn/report/report.h"
#include "report/sections.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

TEST(MergePlans, JoinsCampaignsOfTheSameQuestionAndPairsTheirTrials) {
  const campaign::PlanResult whole = testing::test_plan();
  std::vector<campaign::PlanResult> parts;
  for (int64_t model = 0; model < 4; ++model) {
    campaign::PlanResult part = whole;
    part.models = {whole.models[static_cast<size_t>(model)]};
    part.name = "lenet5: " + part.models[0].name;
    part.pairs.clear();
    part.tolerances.clear();
    std::erase_if(part.cells, [&](const auto& cell) { return cell.model != model; });
    for (auto& cell : part.cells) cell.model = 0;
    parts.push_back(part);
  }
  const auto merged = merge_plans(parts);
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_EQ(merged[0].name, "lenet5");
  ASSERT_EQ(merged[0].pairs.size(), whole.pairs.size());
  for (const campaign::PairResult& pair : whole.pairs) {
    const auto joined =
        std::find_if(merged[0].pairs.begin(), merged[0].pairs.end(), [&](const auto& other) {
          return other.model_a == pair.model_a && other.model_b == pair.model_b &&
                 other.kind == pair.kind && other.level == pair.level;
        });
    ASSERT_NE(joined, merged[0].pairs.end());
    EXPECT_EQ(joined->difference, pair.difference);
  }
}

TEST(MergePlans, KeepsCampaignsApartThatAskSomethingElse) {
  campaign::PlanResult other = testing::test_plan();
  other.models[0].name = "another";
  other.seed = 12;
  EXPECT_EQ(merge_plans({testing::test_plan(), other}).size(), 2u);
}

}  // namespace
}  // namespace flatenn::report
