#include "flatenn/campaign/share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "campaign/test_plan.h"
#include "flatenn/campaign/merge.h"
#include "flatenn/campaign/results.h"

namespace flatenn::campaign {
namespace {

using ::testing::HasSubstr;
using testing::SmallCampaign;

const std::string kPlan =
    "kinds = [\"bit_flip\", \"stuck_at_1\"]\nrates = [0.002, 0.02]\ntrials = 37\nseed = 11\n";
const std::string kHalfWidth = kPlan + "half_width = 0.02\n";

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void execute(const std::filesystem::path& file, const char* sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
}

/// A campaign in shares, with one whole run of the same plan beside them.
class Shares : public ::testing::Test {
 protected:
  CampaignReport run_share(const Plan& plan, int64_t index, int64_t of) {
    CampaignOptions options = small_.options();
    options.share = Share{index, of};
    store::Store store = small_.open(part(index).filename());
    Observer quiet;
    return run_campaign(plan, store, options, quiet);
  }
  std::filesystem::path part(int64_t index) const {
    return small_.folder() / ("part-" + std::to_string(index) + ".db");
  }
  std::vector<std::filesystem::path> parts(const std::vector<int64_t>& indices) const {
    std::vector<std::filesystem::path> files;
    for (const int64_t index : indices) files.push_back(part(index));
    return files;
  }
  std::vector<MergedPlan> merge(const std::vector<int64_t>& indices, const std::string& out) {
    added_ = 0;
    return merge_shares(parts(indices), small_.folder() / out,
                        [&](const MergedPart& merged) { added_ += merged.counts.added; });
  }
  std::string table(const std::string& db) const {
    return to_csv(load_results(small_.folder() / db));
  }

  SmallCampaign small_{60};
  int64_t added_ = 0;
};

TEST(Share, EveryTrialOfEveryCellBelongsToExactlyOne) {
  for (const int64_t of : {1, 2, 3, 16}) {
    for (int64_t cell = 0; cell < 5; ++cell) {
      for (int64_t trial = 0; trial < 50; ++trial) {
        int64_t holders = 0;
        for (int64_t index = 1; index <= of; ++index)
          holders += Share{index, of}.holds(cell, trial);
        EXPECT_EQ(holders, 1);
      }
    }
  }
}

TEST(Share, ReadsWhatItWritesAndRefusesTheRest) {
  EXPECT_EQ(parse_share("3/16"), (Share{3, 16}));
  EXPECT_EQ(parse_share("3/16").text(), "3/16");
  for (const char* const bad : {"", "3", "/", "0/4", "5/4", "-1/4", "1/0", "1/4x", "a/b", "1/2/3"})
    EXPECT_THROW(parse_share(bad), Error) << bad;
}

TEST_F(Shares, JoinedInAnyOrderGiveTheTableOfOneProcess) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  for (const int64_t index : {1, 2, 3}) run_share(plan, index, 3);
  std::vector<int64_t> order = {1, 2, 3};
  do {
    const std::string out = "joined-" + std::to_string(order[0]) + std::to_string(order[1]) + ".db";
    const auto plans = merge(order, out);
    EXPECT_TRUE(plans.at(0).standing.finished());
    EXPECT_EQ(added_, 8 * 37);
    EXPECT_EQ(table(out), table("whole.db"));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(Shares, AloneTellsItsOwnTrialsAndNoPairs) {
  for (const std::string& text : {kPlan, kHalfWidth}) {
    const Plan plan = small_.plan(text);
    std::filesystem::remove(part(2));
    run_share(plan, 2, 3);
    const store::Store file = store::Store::open(part(2), store::Store::Access::kRead);
    const PlanResult result = load_results(file).at(0);
    EXPECT_EQ(result.share, (Share{2, 3}));
    EXPECT_TRUE(result.pairs.empty()) << "models met other trials";
    const auto cells = file.cells(result.id);
    ASSERT_EQ(result.cells.size(), cells.size());
    for (size_t i = 0; i < cells.size(); ++i) {
      const auto trials = file.trials(result.id, cells[i].cell);
      double sum = 0;
      for (const store::TrialRow& trial : trials)
        sum += static_cast<double>(trial.correct) / static_cast<double>(trial.images);
      EXPECT_EQ(result.cells[i].accuracy.count, std::ssize(trials));
      EXPECT_GE(std::ssize(trials), 6);
      EXPECT_NEAR(result.cells[i].accuracy.mean, sum / static_cast<double>(std::ssize(trials)),
                  1e-12);
      EXPECT_EQ(result.cells[i].stop, text == kPlan ? StopReason::kTrials : StopReason::kShare);
    }
  }
}

/// Else who looks on while it runs would wait for ever.
TEST_F(Shares, AHalfWidthEndsWithTheShareAndNotBefore) {
  const Plan plan = small_.plan(kHalfWidth);
  int asked = 0;
  small_.options().stop_requested = [&] { return ++asked == 2; };
  ASSERT_EQ(run_share(plan, 1, 3).ending, Ending::kInterrupted);
  EXPECT_EQ(load_results(part(1)).at(0).cells.back().stop, StopReason::kRunning);
  small_.options().stop_requested = nullptr;
  small_.options().share_until = 36;
  ASSERT_EQ(run_share(plan, 1, 3).ending, Ending::kDone);
  const PlanResult ended = load_results(part(1)).at(0);
  for (const CellResult& cell : ended.cells) EXPECT_EQ(cell.stop, StopReason::kShare);
  // So does one that finds nothing left to run.
  ASSERT_EQ(run_share(plan, 1, 3).ending, Ending::kDone);
  const PlanResult again = load_results(part(1)).at(0);
  for (const CellResult& cell : again.cells) EXPECT_EQ(cell.stop, StopReason::kShare);
}

/// Every cell has an estimate from its own trials, or says which stratum lacks some.
TEST_F(Shares, AStratifiedOneAloneTellsItsCellsOrWhyNot) {
  int64_t told = 0, untold = 0;
  for (const auto& [trials, of] : {std::pair<int64_t, int64_t>{60, 2}, {60, 15}}) {
    const Plan plan = small_.plan(detail::concat("rates = [1e-6, 1e-4]\ntrials = ", trials,
                                                 "\nestimator = \"stratified\"\n"));
    small_.run(plan, detail::concat("whole-", of, ".db"));
    const PlanResult whole =
        load_results(small_.folder() / detail::concat("whole-", of, ".db")).at(0);
    std::filesystem::remove(part(1));
    run_share(plan, 1, of);
    const PlanResult share = load_results(part(1)).at(0);
    for (size_t i = 0; i < share.cells.size(); ++i) {
      const CellResult& cell = share.cells[i];
      EXPECT_EQ(cell.stop, StopReason::kTrials);
      EXPECT_EQ(cell.trials(), (Share{1, of}.trials_below(static_cast<int64_t>(i), trials)));
      const bool enough = std::all_of(cell.map_strata.begin(), cell.map_strata.end(),
                                      [](const auto& stratum) { return stratum.trials >= 2; });
      EXPECT_EQ(cell.untold().empty(), enough);
      EXPECT_EQ(cell.accuracy.count, enough ? cell.trials() : 0);
      (enough ? told : untold) += 1;
      if (!enough) {
        EXPECT_THAT(cell.untold(), HasSubstr("two trials of each class, there are "));
        continue;
      }
      // The weighted sum over strata and untouched maps, made here again.
      const double golden = share.models[static_cast<size_t>(cell.model)].golden_accuracy;
      double mean = cell.untouched * golden;
      for (const MapStratumResult& stratum : cell.map_strata) mean += stratum.weight * stratum.mean;
      EXPECT_NEAR(cell.accuracy.mean, mean, 1e-12);
      EXPECT_GE(cell.ci.half_width(), whole.cells[i].ci.half_width() * 0.5);
    }
    const std::string csv = to_csv({share});
    EXPECT_THAT(csv,
                HasSubstr("\n\nplan,model,kind,level,class,bits,weight,trials,mean,sd,yield\n"));
  }
  EXPECT_GT(told, 0);
  EXPECT_GT(untold, 0);
}

TEST_F(Shares, JoiningAgainAndInPiecesChangesNothing) {
  const Plan plan = small_.plan(kPlan);
  for (const int64_t index : {1, 2, 3}) run_share(plan, index, 3);
  merge({1, 2, 3}, "once.db");
  merge({2}, "pieces.db");
  merge({1, 2}, "pieces.db");
  merge({3, 1}, "pieces.db");
  EXPECT_EQ(table("pieces.db"), table("once.db"));
  merge({1, 2, 3}, "pieces.db");
  EXPECT_EQ(added_, 0);
  EXPECT_EQ(table("pieces.db"), table("once.db"));
}

TEST_F(Shares, WhatIsMissingIsNamedAndAnyoneCanRunIt) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  for (const int64_t index : {1, 3}) run_share(plan, index, 3);
  const auto plans = merge({1, 3}, "joined.db");
  ASSERT_EQ(plans.at(0).open_shares.size(), 1U);
  EXPECT_EQ(plans[0].open_shares[0].share, (Share{2, 3}));
  EXPECT_FALSE(plans[0].open_shares[0].is_there);
  EXPECT_EQ(plans[0].open_shares[0].missing, plans[0].standing.missing());
  EXPECT_EQ(plans[0].standing.missing(), 8 * 37 - added_);
  const CampaignReport rest = small_.run(plan, "joined.db");
  EXPECT_EQ(rest.trials, plans[0].standing.missing());
  EXPECT_EQ(table("joined.db"), table("whole.db"));
}

TEST_F(Shares, AHalfWidthIsAppliedToWhatIsTogether) {
  const Plan plan = small_.plan(kHalfWidth);
  small_.run(plan, "whole.db");
  for (const int64_t index : {1, 2, 3}) run_share(plan, index, 3);
  const auto plans = merge({3, 1, 2}, "joined.db");
  if (!plans.at(0).standing.finished()) small_.run(plan, "joined.db");
  EXPECT_EQ(table("joined.db"), table("whole.db"));
}

TEST_F(Shares, MoreSharesThanTrialsLeaveSomeWithNothingToDo) {
  const Plan plan = small_.plan_of_one("rates = [0.01]\ntrials = 3\nseed = 1\n");
  small_.run(plan, "whole.db");
  std::vector<int64_t> all;
  for (int64_t index = 1; index <= 5; ++index) {
    EXPECT_EQ(run_share(plan, index, 5).trials, index <= 3 ? 1 : 0);
    all.push_back(index);
  }
  EXPECT_TRUE(merge(all, "joined.db").at(0).standing.finished());
  EXPECT_EQ(table("joined.db"), table("whole.db"));
}

TEST_F(Shares, AFileHoldsOneShare) {
  const Plan plan = small_.plan(kPlan);
  run_share(plan, 1, 3);
  std::filesystem::rename(part(1), part(2));
  EXPECT_THAT(message_of([&] { run_share(plan, 2, 3); }), HasSubstr("holds share 1/3 of plan"));
}

TEST_F(Shares, ASearchHasNone) {
  const Plan plan = small_.plan_of_one("find_tolerable = 0.1\ntrials = 20\n");
  EXPECT_THAT(message_of([&] { run_share(plan, 1, 2); }), HasSubstr("a search chooses its rates"));
}

TEST_F(Shares, OfAnotherPlanOrVersionAreRefused) {
  run_share(small_.plan(kPlan), 1, 2);
  run_share(small_.plan("name = \"other\"\n" + kPlan), 2, 2);
  EXPECT_THAT(message_of([&] { merge({1, 2}, "a.db"); }), HasSubstr("holds other plans than"));
  std::filesystem::remove(part(2));
  run_share(small_.plan(kPlan + "first_images = 0\nlayers = [\"fc1\"]\n"), 2, 2);
  EXPECT_THAT(message_of([&] {
                merge({1, 2}, "b.db");
              }),
              HasSubstr("means something else than in"));
  std::filesystem::remove(part(2));
  run_share(small_.plan(kPlan), 2, 2);
  execute(part(2), "UPDATE plans SET version = '0.0.1'");
  EXPECT_THAT(message_of([&] { merge({1, 2}, "c.db"); }), HasSubstr("was run by flatenn 0.0.1"));
  std::filesystem::remove(part(2));
  run_share(small_.plan(kPlan), 2, 2);
  execute(part(2), "UPDATE workers SET version = '0.0.1'");
  EXPECT_THAT(message_of([&] {
                merge({1, 2}, "d.db");
              }),
              HasSubstr("of its trials were run by 0.0.1"));
  // Refused before the first part is merged.
  for (const char* const out : {"a.db", "b.db", "c.db", "d.db"})
    EXPECT_FALSE(std::filesystem::exists(small_.folder() / out)) << out;
}

TEST_F(Shares, AnOutputOfAnotherVersionIsRefused) {
  run_share(small_.plan(kPlan), 1, 2);
  run_share(small_.plan(kPlan), 2, 2);
  merge({1}, "joined.db");
  execute(small_.folder() / "joined.db", "UPDATE workers SET version = '0.0.1'");
  EXPECT_THAT(message_of([&] { merge({2}, "joined.db"); }),
              HasSubstr("joined.db: plan 'campaign' was begun by"));
}

/// Files of several divisions overlap, and each missing trial belongs to a share of every division.
TEST_F(Shares, OfSeveralDivisionsAreJoinedAndToldInOne) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  run_share(plan, 1, 3);
  run_share(plan, 2, 4);
  run_share(plan, 4, 4);
  const auto plans = merge({1, 2, 4}, "joined.db");
  EXPECT_EQ(divisions_of(plans.at(0).standing), (std::vector<int64_t>{3, 4}));
  int64_t missing = 0;
  for (const OpenShare& open : plans[0].open_shares) {
    EXPECT_EQ(open.share.of, 4);
    EXPECT_FALSE(open.is_there);
    missing += open.missing;
  }
  EXPECT_EQ(plans[0].open_shares.size(), 2U);
  EXPECT_EQ(missing, plans[0].standing.missing());
  small_.run(plan, "joined.db");
  EXPECT_EQ(table("joined.db"), table("whole.db"));
}

/// What status says of files is what merge says of the same files.
TEST_F(Shares, StandTogetherAsTheyDoOnceJoined) {
  for (const std::string& text : {kPlan, kHalfWidth}) {
    for (const int64_t index : {1, 2, 3}) std::filesystem::remove(part(index));
    const Plan plan = small_.plan(text);
    run_share(plan, 1, 3);
    run_share(plan, 3, 3);
    const std::string out = text == kPlan ? "all.db" : "half.db";
    const PlanStanding joined = merge({1, 3}, out).at(0).standing;
    std::optional<JoinedStanding> files;
    // The joined file holds all that the parts do: trials in two files count once.
    for (const auto& file : {part(1), part(3), small_.folder() / out, part(1)}) {
      const store::Store store = store::Store::open(file, store::Store::Access::kRead);
      const store::PlanRow row = store.plans().at(0);
      files ? files->add(store, row) : void(files.emplace(store, row));
    }
    const PlanStanding together = files->standing();
    EXPECT_EQ(together.stored(), joined.stored());
    EXPECT_EQ(together.missing(), joined.missing());
    EXPECT_EQ(together.left(), joined.left());
    EXPECT_EQ(together.finished_cells(), joined.finished_cells());
    EXPECT_EQ(together.may_end_early, text == kHalfWidth);
    const auto open = open_shares(together);
    if (text == kPlan) {
      ASSERT_EQ(open.size(), 1U);
      EXPECT_EQ(open[0].share, (Share{2, 3}));
      EXPECT_EQ(open[0].missing, together.left());
    }
  }
}

TEST_F(Shares, StrataAreThoseOfOneProcess) {
  const Plan plan = small_.plan("rates = [1e-6]\ntrials = 60\nestimator = \"stratified\"\n");
  const CampaignReport whole = small_.run(plan, "whole.db");
  const CellResult cell = load_results(small_.folder() / "whole.db").at(0).cells.at(0);
  for (const int64_t index : {1, 2}) {
    const CellProgress share = run_share(plan, index, 2).cells.at(0);
    EXPECT_EQ(share.trials, 30);
    // Faulty maps' accuracies lie within 0.1 of one another, and they are this share of all.
    EXPECT_NEAR(share.mean, whole.cells.at(0).mean, 0.1 * (1 - cell.untouched));
  }
  merge({2, 1}, "joined.db");
  EXPECT_EQ(table("joined.db"), table("whole.db"));
}

TEST_F(Shares, ATrialThatTwoMachinesRanDifferentlyIsRefused) {
  const Plan plan = small_.plan(kPlan);
  run_share(plan, 1, 2);
  std::filesystem::copy_file(part(1), part(2));
  execute(part(2), "UPDATE trials SET loss = loss + 0.125 WHERE cell = 3 AND trial = 5");
  EXPECT_THAT(message_of([&] {
                merge({1, 2}, "joined.db");
              }),
              HasSubstr("part-2.db: trial 5 of cell 3 of plan 'campaign' differs"));
  merge({1}, "alone.db");
  EXPECT_EQ(table("joined.db"), table("alone.db"));
}

TEST_F(Shares, AnOutputIsNoPart) {
  run_share(small_.plan(kPlan), 1, 2);
  EXPECT_THAT(message_of([&] { merge({1}, "part-1.db"); }), HasSubstr("is the output"));
  EXPECT_THROW(merge({7}, "joined.db"), Error);
  EXPECT_FALSE(std::filesystem::exists(small_.folder() / "joined.db"));
}

/// Shares and merges die at random moments; each is started again until it is through.
TEST_F(Shares, KilledAnywhereTheyEndInTheTableOfOneProcess) {
  const Plan plan = small_.plan("rates = [0.002, 0.02]\ntrials = 120\nseed = 11\n");
  const auto start = std::chrono::steady_clock::now();
  small_.run(plan, "whole.db");
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  RandomStream random(23, 0, RandomPurpose::kPilot);
  int kills = 0;
  const auto through = [&](const std::function<void()>& act, int most) {
    for (int here = 0;;) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::_exit(message_of(act).empty() ? 0 : 1);
      }
      std::this_thread::sleep_for(
          std::chrono::microseconds(random.below(static_cast<uint64_t>(whole.count()) / 6 + 1)));
      if (here < most) ::kill(child, SIGKILL);
      int status = -1;
      ::waitpid(child, &status, 0);
      if (!WIFSIGNALED(status)) {
        ASSERT_EQ(status, 0);
        return;
      }
      ++here;
      ++kills;
    }
  };
  while (kills < 50) {  // how many a round has depends on the machine
    for (const int64_t index : {1, 2, 3, 4}) {
      std::filesystem::remove(part(index));
      through([&] { run_share(plan, index, 4); }, 20);
    }
    std::filesystem::remove(small_.folder() / "joined.db");
    through([&] { merge({4, 2, 1, 3}, "joined.db"); }, 10);
    EXPECT_TRUE(merge({1, 2, 3, 4}, "joined.db").at(0).standing.finished());
    EXPECT_EQ(added_, 0);
    EXPECT_EQ(table("joined.db"), table("whole.db"));
  }
}

}  // namespace
}  // namespace flatenn::campaign
