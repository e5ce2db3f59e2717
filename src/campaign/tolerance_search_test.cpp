#include "campaign/tolerance_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "campaign/analysis.h"
#include "campaign/cell_state.h"
#include "campaign/test_plan.h"
#include "flatenn/base/random.h"
#include "flatenn/campaign/results.h"

namespace flatenn::campaign {
namespace {

TEST(ToleranceSearch, LooksAtRatesSoCloseThatThreeNeighboursSpanTheFactor) {
  for (const double within : {1.02, 1.25, 2.0, 100.0}) {
    const std::vector<Level> levels = search_levels(within);
    EXPECT_EQ(levels.front().rate, 1e-8);
    EXPECT_EQ(levels.back().rate, 1);
    for (size_t i = 2; i < levels.size(); ++i) {
      EXPECT_LT(levels[i - 1].rate, levels[i].rate);
      EXPECT_LE(levels[i].rate / levels[i - 2].rate, within * 1.002) << levels[i].label;
      EXPECT_EQ(std::stod(levels[i].label), levels[i].rate) << "typed again, it is the same";
    }
  }
}

TEST(ToleranceSearch, ARateThatKeepsBehindOneThatCostsIsNoLowerEnd) {
  const std::vector<Side> sides{Side::kKeeps, Side::kCosts, Side::kKeeps, Side::kUnmeasured};
  const Bracket bracket = bracket_of(sides);
  EXPECT_EQ(bracket.last_kept, 0);
  EXPECT_EQ(bracket.first_lost, 1);
}

/// Runs a search whose rates answer by themselves; gives the bracket and how many were asked.
struct Found {
  Bracket bracket;
  std::set<int64_t> asked;
};
template <typename Answer>
Found search(const std::vector<Level>& levels, double within, Answer answer) {
  std::vector<Side> sides(levels.size(), Side::kUnmeasured);
  Found found;
  while (const auto next = next_in_search(levels, sides, within)) {
    EXPECT_TRUE(found.asked.insert(*next).second) << "asked twice: " << *next;
    sides[static_cast<size_t>(*next)] = answer(*next);
  }
  found.bracket = bracket_of(sides);
  return found;
}

TEST(ToleranceSearch, FindsEveryPlaceInALogarithmOfQuestions) {
  constexpr double kWithin = 1.25;
  const std::vector<Level> levels = search_levels(kWithin);
  const auto size = std::ssize(levels);
  for (int64_t truth = 0; truth <= size; ++truth) {  // the lowest rate that costs too much
    const Found got =
        search(levels, kWithin, [&](int64_t i) { return i < truth ? Side::kKeeps : Side::kCosts; });
    EXPECT_LT(got.bracket.last_kept, truth);
    EXPECT_GE(got.bracket.first_lost, truth);
    EXPECT_LE(got.asked.size(), 9U);
    if (truth == 0) {
      EXPECT_EQ(got.bracket.last_kept, -1);
      EXPECT_EQ(got.bracket.first_lost, 0);
    }
    if (truth == size) {
      EXPECT_EQ(got.bracket.last_kept, size - 1);
    }
    if (truth == 0 || truth == size) continue;
    EXPECT_LE(got.bracket.first_lost - got.bracket.last_kept, 2) << truth;
  }
}

TEST(ToleranceSearch, EndsAroundRatesThatStayUnsure) {
  constexpr double kWithin = 1.25;
  const std::vector<Level> levels = search_levels(kWithin);
  for (const int64_t width : {1, 2, 7, 1000}) {
    for (const int64_t truth : {0, 3, 80, 160}) {
      const Found got = search(levels, kWithin, [&](int64_t i) {
        return i < truth ? Side::kKeeps : i < truth + width ? Side::kUnsure : Side::kCosts;
      });
      EXPECT_EQ(got.bracket.last_kept, truth - 1) << width;
      EXPECT_EQ(got.bracket.first_lost, std::min(truth + width, std::ssize(levels))) << width;
      EXPECT_LE(got.asked.size(), 18U);
    }
  }
}

/// Accuracies over maps whose loss is `limit_loss` at `truth` in the mean, lognormal with skewness
/// 2.3, on `images` images; nested: a map keeps its factor.
struct Subject {
  double truth = 0.004;
  double power = 1.5;
  double sigma = 0.6;
  double images = 10'000;
  double accuracy(double rate, uint64_t seed, int64_t trial) const {
    RandomStream random(seed, static_cast<uint64_t>(trial), RandomPurpose::kPilot);
    const double factor = std::exp(sigma * random.normal() - sigma * sigma / 2);
    const double loss = 0.01 * std::pow(rate / truth, power) * factor;
    return std::round(images * std::max(0.1, 0.9 - loss)) / images;
  }
};

/// How often the bracket of a whole search holds the truth, and how wide it is.
struct Outcome {
  double covered = 0;
  double narrow = 0;  ///< Share within the factor.
};
Outcome simulate(const Subject& subject, double within, int64_t trials, int campaigns) {
  const std::vector<Level> levels = search_levels(within);
  Outcome outcome;
  for (int campaign = 0; campaign < campaigns; ++campaign) {
    const StopRule rule{
        .max_trials = trials, .limit = limit_of(0.9, 0.01), .sd_floor = 1 / subject.images};
    const Found got = search(levels, within, [&](int64_t level) {
      std::vector<double> values;
      StopRule::Decision decision = rule.decide(values);
      while (decision.reason == StopReason::kRunning) {
        while (std::ssize(values) < decision.wanted) {
          values.push_back(subject.accuracy(levels[static_cast<size_t>(level)].rate,
                                            static_cast<uint64_t>(campaign), std::ssize(values)));
        }
        decision = rule.decide(values);
      }
      if (decision.reason != StopReason::kDecided) return Side::kUnsure;
      values.resize(static_cast<size_t>(decision.trials));
      return summarize(values).mean >= *rule.limit ? Side::kKeeps : Side::kCosts;
    });
    const auto rate = [&](int64_t i) { return levels.at(static_cast<size_t>(i)).rate; };
    const double low = got.bracket.last_kept < 0 ? 0 : rate(got.bracket.last_kept);
    const double high =
        got.bracket.first_lost == std::ssize(levels) ? 2 : rate(got.bracket.first_lost);
    outcome.covered += low <= subject.truth && subject.truth <= high;
    outcome.narrow += high <= low * within * 1.002;
  }
  outcome.covered /= campaigns;
  outcome.narrow /= campaigns;
  return outcome;
}

TEST(ToleranceSearch, BracketsHoldTheTruthInAtLeast95PercentOfSimulatedSearches) {
  for (const double truth : {0.004, 0.00421, 0.0000213}) {
    for (const double sigma : {0.2, 0.6}) {
      for (const double within : {1.1, 1.5}) {
        const Outcome got = simulate({.truth = truth, .sigma = sigma}, within, 1000, 200);
        EXPECT_GE(got.covered, 0.95) << truth << ", sigma " << sigma << ", within " << within;
        if (within > 1.2) {
          EXPECT_GE(got.narrow, 0.95) << truth << ", sigma " << sigma;
        }
      }
    }
  }
}

/// The measured rates and the bracket of a finished search, trials included.
std::string outcome(const testing::SmallCampaign& small, const std::string& db) {
  nlohmann::json all = to_json(load_results(small.folder() / db).at(0));
  for (const char* const own : {"created", "finished"}) all.erase(own);
  return all.dump();
}

const std::string kSearch = "find_tolerable = 0.05\nwithin = 2.0\ntrials = 200\nseed = 5\n";

TEST(ToleranceSearch, BracketsTheRateOfRealNetworks) {
  testing::SmallCampaign small;
  const Plan plan = small.plan(kSearch);
  EXPECT_EQ(small.run(plan, "a.db").ending, Ending::kDone);
  const PlanResult result = load_results(small.folder() / "a.db").at(0);
  EXPECT_LT(result.levels.size(), 20U) << "of " << plan.levels.size();
  ASSERT_EQ(result.tolerances.size(), 2U);
  for (const ToleranceResult& got : result.tolerances) {
    EXPECT_LT(got.ci.low, got.ci.high);
    EXPECT_GE(got.rate, got.ci.low);
    EXPECT_LE(got.rate, got.ci.high);
    for (const CellResult& cell : result.cells) {
      if (cell.model != got.model || cell.stop != StopReason::kDecided) continue;
      const double rate = result.levels.at(static_cast<size_t>(cell.level)).rate;
      const double golden = result.models.at(static_cast<size_t>(cell.model)).golden_accuracy;
      const bool keeps = cell.accuracy.mean >= golden - 0.05;
      EXPECT_TRUE(keeps ? rate <= got.ci.low : rate >= got.ci.high) << rate;
    }
  }
}

/// Ends a run at its second news; the first may be of trials that were there before.
class StopSoon : public Observer {
 public:
  explicit StopSoon(bool& stop) : stop_(stop) {}
  void advanced(int64_t, int64_t, const CellProgress&) override { stop_ = ++calls_ == 2; }

 private:
  bool& stop_;
  int calls_ = 0;
};

TEST(ToleranceSearch, RunsInPiecesAndOnAnyThreadsToTheSameResult) {
  testing::SmallCampaign small;
  const Plan plan = small.plan("find_tolerable = 0.05\nwithin = 10.0\ntrials = 45\nseed = 5\n");
  small.run(plan, "whole.db");
  small.options().engine.threads = 3;
  small.run(plan, "threads.db");
  EXPECT_EQ(outcome(small, "threads.db"), outcome(small, "whole.db"));
  bool stop = false;
  small.options().stop_requested = [&] { return stop; };
  int runs = 0;
  for (Ending ending = Ending::kInterrupted; ending != Ending::kDone; ++runs) {
    stop = false;
    store::Store store = small.open("pieces.db");
    StopSoon observer(stop);
    ending = run_campaign(plan, store, small.options(), observer).ending;
    ASSERT_LT(runs, 1000);
  }
  EXPECT_GT(runs, 3);
  EXPECT_EQ(outcome(small, "pieces.db"), outcome(small, "whole.db"));
}

TEST(ToleranceSearch, RefusesWhatContradictsIt) {
  const testing::SmallCampaign small;
  using Pair = std::pair<std::string, std::string>;
  for (const Pair& refused :
       {Pair{"find_tolerable = 0.01\nrates = [0.1]\n", "which chooses the rates"},
        Pair{"find_tolerable = 0.01\nhalf_width = 0.01\n", "contradicts find_tolerable"},
        Pair{"find_tolerable = 0.01\nimages_per_trial = 4\n", "contradicts find_tolerable"},
        Pair{"find_tolerable = 0.01\nwithin = 1.0\n", "within"},
        Pair{"find_tolerable = 0\n", "find_tolerable"},
        Pair{"rates = [0.1]\nwithin = 1.5\n", "no meaning without find_tolerable"}}) {
    EXPECT_THAT(store::error_of([&] { small.plan(refused.first); }),
                ::testing::HasSubstr(refused.second))
        << refused.first;
  }
}

}  // namespace
}  // namespace flatenn::campaign
