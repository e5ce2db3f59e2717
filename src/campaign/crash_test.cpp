#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "campaign/test_plan.h"
#include "flatenn/campaign/results.h"

namespace flatenn::campaign {
namespace {

using testing::SmallCampaign;

const std::string kPlan =
    "kinds = [\"bit_flip\", \"stuck_at_1\"]\nrates = [0.002, 0.02]\ntrials = 150\n"
    "half_width = 0.012\nseed = 11\n";

/// Runs the plan in a process of its own.
pid_t start_process(const SmallCampaign& small, const Plan& plan, const std::string& db) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    small.run(plan, db);
    ::_exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "campaign process: %s\n", error.what());
    ::_exit(1);
  }
}

int wait_for(pid_t child) {
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

/// All finished trials of the file's plan.
std::vector<store::TrialRow> stored_trials(const SmallCampaign& small, const std::string& db) {
  const store::Store store = small.open(db);
  std::vector<store::TrialRow> rows;
  for (const store::PlanRow& plan : store.plans()) {
    for (const store::CellRow& cell : store.cells(plan.id)) {
      const auto trials = store.trials(plan.id, cell.cell);
      rows.insert(rows.end(), trials.begin(), trials.end());
    }
  }
  return rows;
}

/// What a result is made of: the used trials and every statistic, but not surplus trials and times.
std::string outcome(const SmallCampaign& small, const std::string& db) {
  nlohmann::json all = to_json(load_results(small.folder() / db).at(0));
  for (const char* const own : {"created", "finished"}) all.erase(own);
  for (nlohmann::json& cell : all.at("cells")) cell.erase("surplus");
  return all.dump();
}

bool holds(const std::vector<store::TrialRow>& rows, const store::TrialRow& row) {
  return std::find(rows.begin(), rows.end(), row) != rows.end();
}

class KilledCampaign : public ::testing::TestWithParam<int64_t> {};

TEST_P(KilledCampaign, LosesAndDoublesNoFinishedTrialAndEndsInTheSameBits) {
  SmallCampaign small(60);
  const Plan plan = small.plan(kPlan);
  // Moments of death up to an eighth of a whole run, so that a fast machine is killed as often.
  const auto start = std::chrono::steady_clock::now();
  small.run(plan, "whole.db");
  const std::chrono::microseconds whole = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  const auto longest = static_cast<uint64_t>(whole.count()) / 8 + 1;
  small.options().engine.threads = GetParam();
  RandomStream random(17, static_cast<uint64_t>(GetParam()), RandomPurpose::kPilot);
  std::vector<store::TrialRow> before;
  int kills = 0;
  for (;;) {
    const pid_t child = start_process(small, plan, "killed.db");
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(longest)));
    if (kills < 25) ::kill(child, SIGKILL);
    const int status = wait_for(child);
    if (WIFSIGNALED(status)) ++kills;
    const std::vector<store::TrialRow> after = stored_trials(small, "killed.db");
    for (const store::TrialRow& row : before) ASSERT_TRUE(holds(after, row));
    before = after;
    if (!WIFSIGNALED(status)) {
      ASSERT_EQ(status, 0);
      break;
    }
  }
  EXPECT_GT(kills, 2);
  EXPECT_EQ(outcome(small, "killed.db"), outcome(small, "whole.db"));
}

INSTANTIATE_TEST_SUITE_P(Threads, KilledCampaign, ::testing::Values(1, 2, 4));

TEST(SharedCampaign, TwoProcessesShareTheTrialsOfOnePlan) {
  SmallCampaign small(60);
  const Plan plan = small.plan("rates = [0.002, 0.02]\ntrials = 400\nseed = 11\n");
  small.run(plan, "whole.db");
  const pid_t first = start_process(small, plan, "shared.db");
  const pid_t second = start_process(small, plan, "shared.db");
  EXPECT_EQ(wait_for(first), 0);
  EXPECT_EQ(wait_for(second), 0);
  EXPECT_EQ(outcome(small, "shared.db"), outcome(small, "whole.db"));
  const store::Store store = small.open("shared.db");
  const std::vector<store::RunRow> runs = store.runs(store.plans().at(0).id);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].trials + runs[1].trials,
            static_cast<int64_t>(stored_trials(small, "shared.db").size()));
  EXPECT_GT(runs[0].trials, 0);
  EXPECT_GT(runs[1].trials, 0);
}

TEST(SharedCampaign, OneTakesOverWhenTheOtherIsKilled) {
  SmallCampaign small(60);
  const Plan plan = small.plan(kPlan);
  small.run(plan, "whole.db");
  const pid_t first = start_process(small, plan, "shared.db");
  const pid_t second = start_process(small, plan, "shared.db");
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  ::kill(first, SIGKILL);
  wait_for(first);
  EXPECT_EQ(wait_for(second), 0);
  EXPECT_EQ(outcome(small, "shared.db"), outcome(small, "whole.db"));
}

}  // namespace
}  // namespace flatenn::campaign
