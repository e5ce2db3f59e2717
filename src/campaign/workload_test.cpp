#include "campaign/workload.h"

#include <gtest/gtest.h>

#include "campaign/test_plan.h"

namespace flatenn::campaign {
namespace {

std::vector<store::TrialKey> all_keys(const Workload& workload, int64_t model) {
  std::vector<store::TrialKey> keys;
  for (int64_t trial = 0; trial < 7; ++trial) {
    for (const store::CellRow& cell : workload.cells()) {
      if (cell.model != model || trial >= workload.trials_of(cell)) continue;
      keys.push_back({.cell = cell.cell, .trial = trial});
    }
  }
  return keys;
}

Workload workload_of(testing::SmallCampaign& campaign, const Plan& plan,
                     std::optional<int64_t> jobs_ahead) {
  return {plan,
          {.engine = campaign.options().engine,
           .images = campaign.options().images,
           .jobs_ahead = jobs_ahead}};
}

/// Kinds of two encodings: their networks differ, so a slice holds jobs of two engines. Rate 0
/// gives trials that need no engine.
Plan plan_of_two_memories(const testing::SmallCampaign& campaign) {
  Plan plan = campaign.plan(
      "kinds = [\"bit_flip\", \"stuck_at_1\"]\nrates = [0, 0.001, 0.05, 0.5]\ntrials = 7\n");
  plan.kinds[1].model.encoding = fault::Encoding::kSignMagnitude;
  return plan;
}

TEST(Workload, GivesTheSameRowsHoweverManyTrialsAreDrawnAhead) {
  testing::SmallCampaign campaign;
  const Plan plan = plan_of_two_memories(campaign);
  for (const int64_t images : {40, 11}) {
    Workload plain = workload_of(campaign, plan, 0);
    EXPECT_FALSE(plain.prepares_ahead());
    plain.set_images_per_trial(images);
    const auto keys = all_keys(plain, 0);
    const auto expected = plain.run(keys);
    ASSERT_EQ(expected.size(), keys.size());
    for (const int64_t ahead : {1, 3, 8, 1000}) {
      campaign.options().engine.threads = 1 + ahead % 3;
      Workload sliced = workload_of(campaign, plan, ahead);
      sliced.set_images_per_trial(images);
      EXPECT_EQ(sliced.run(keys), expected) << ahead;
      EXPECT_EQ(sliced.run(keys), expected) << ahead << ", memory used again";
      EXPECT_TRUE(sliced.prepares_ahead());
    }
  }
}

TEST(Workload, SingleFaultsAreTheSameDrawnAhead) {
  testing::SmallCampaign campaign;
  const Plan plan = campaign.plan_of_one(
      "kinds = [\"bit_flip\"]\nsingle_fault = \"sampled\"\nsingle_fault_error = 0.1\n");
  Workload plain = workload_of(campaign, plan, 0);
  Workload sliced = workload_of(campaign, plan, 2);
  const auto keys = all_keys(plain, 0);
  ASSERT_GT(keys.size(), 2U);
  EXPECT_EQ(sliced.run(keys), plain.run(keys));
}

TEST(Workload, ARunOfNoTrialsGivesNoRows) {
  testing::SmallCampaign campaign;
  Workload workload = workload_of(campaign, plan_of_two_memories(campaign), 2);
  EXPECT_TRUE(workload.run({}).empty());
}

}  // namespace
}  // namespace flatenn::campaign
