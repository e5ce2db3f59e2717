#include "campaign/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "campaign/test_plan.h"
#include "flatenn/base/error.h"

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

/// What the message of an Error says; "no error" without one.
template <typename Body>
std::string message_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A weight of the first model turns in memory, as a broken memory or program would do it.
void damage_memory(const Workload& workload) {
  auto& codes = const_cast<net::Network&>(*workload.subjects()[0].network).layers[0].weights.codes;
  codes[3] = static_cast<int8_t>(codes[3] > 0 ? codes[3] - 1 : codes[3] + 1);
}

TEST(Verify, FindsTheSameNumbersOnAnotherEngine_AllWaysOfDrawing) {
  testing::SmallCampaign campaign;
  for (const engine::EngineKind kind :
       {engine::EngineKind::kReference, engine::EngineKind::kLanes, engine::EngineKind::kOneDnn}) {
    for (const int64_t images : {40, 11}) {
      campaign.options().engine.kind = kind;
      Workload workload = workload_of(campaign, plan_of_two_memories(campaign), 0);
      workload.set_images_per_trial(images);
      workload.verify(workload.run(all_keys(workload, 0)));
      EXPECT_NE(workload.second_engine_name(), "");
    }
  }
}

TEST(Verify, ChecksSingleFaultsActivationsAndOtherSources) {
  testing::SmallCampaign campaign;
  for (const std::string keys :
       {"single_fault = \"sampled\"\nsingle_fault_error = 0.2\n",
        "trials = 7\nrates = [0.01, 0.2]\n[[faults]]\ntarget = \"activations\"\n[[faults]]\n",
        "trials = 7\n[[faults]]\nrate_0_to_1 = 0.05\nrate_1_to_0 = 0.01\n",
        "trials = 7\nrates = [0.01, 0.1]\n[[faults]]\nunit = \"level\"\n"}) {
    Workload workload = workload_of(campaign, campaign.plan_of_one(keys), 0);
    workload.verify(workload.run(all_keys(workload, 0)));
  }
}

TEST(Verify, NamesATrialWhoseNumbersDiffer) {
  testing::SmallCampaign campaign;
  Workload workload = workload_of(campaign, plan_of_two_memories(campaign), 0);
  const auto rows = workload.run(all_keys(workload, 0));
  damage_memory(workload);  // the first engine has packed its weights, the second one has not
  EXPECT_THAT(message_of([&] { workload.verify(rows); }),
              ::testing::HasSubstr("mlp1 bit_flip 0, trial 0: two runs differ: "));
  using Field = std::pair<int64_t store::TrialRow::*, const char*>;
  for (const auto& [change, name] : {Field{&store::TrialRow::correct, "images right"},
                                     {&store::TrialRow::identical, "images with golden logits"},
                                     {&store::TrialRow::drawn, "faults drawn"},
                                     {&store::TrialRow::landed, "faults landed"}}) {
    Workload sound = workload_of(campaign, plan_of_two_memories(campaign), 0);
    auto wrong = sound.run(all_keys(sound, 0));
    const int64_t right = wrong.back().*change;
    ++(wrong.back().*change);
    const std::string said = message_of([&sound, &wrong] { sound.verify(wrong); });
    EXPECT_THAT(said, ::testing::HasSubstr(detail::concat("two runs differ: ", name, " ", right + 1,
                                                          " and ", right)));
  }
}

TEST(CheckUnchanged, RefusesAModelThatChangedInMemory) {
  testing::SmallCampaign campaign;
  Workload workload = workload_of(campaign, plan_of_two_memories(campaign), 0);
  workload.run(all_keys(workload, 0));
  workload.check_unchanged(0);
  damage_memory(workload);
  EXPECT_THAT(message_of([&] { workload.check_unchanged(0); }),
              ::testing::HasSubstr("mlp1.onnx: changed in memory during the campaign"));
  EXPECT_THAT(message_of([&] { workload.release_engine(0); }),
              ::testing::HasSubstr("changed in memory"));
}

TEST(Workload, ARunOfNoTrialsGivesNoRows) {
  testing::SmallCampaign campaign;
  Workload workload = workload_of(campaign, plan_of_two_memories(campaign), 2);
  EXPECT_TRUE(workload.run({}).empty());
}

}  // namespace
}  // namespace flatenn::campaign
