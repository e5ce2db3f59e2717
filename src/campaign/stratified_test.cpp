#include "campaign/stratified.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "campaign/map_strata.h"
#include "campaign/test_plan.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

using store::error_of;
using testing::SmallCampaign;

TEST(StratifiedMean, EqualsAHandWorkedCase) {
  // 0.9 of all maps untouched at 0.8; means 0.5 and 0.7 with variances 0.02 and 0.
  const std::vector<StratumValues> strata{{0.04, {0.4, 0.6}}, {0.06, {0.7, 0.7, 0.7}}};
  const StratifiedMean got = stratified_mean(strata, 0.9, 0.8, 0);
  EXPECT_DOUBLE_EQ(got.mean, 0.9 * 0.8 + 0.04 * 0.5 + 0.06 * 0.7);
  // One degree of freedom: t = 12.706; 0.04 * sqrt(0.02 / 2) = 0.004.
  EXPECT_NEAR(got.ci.half_width(), 12.7062 * 0.004, 1e-6);
}

/// Expected: the sums of stratified.h in NumPy, with SciPy's quantile of t for 7.478 degrees of
/// freedom; the third stratum's spread is measured, the second's is the floor.
TEST(StratifiedMean, EqualsNumpysOfThreeSkewedStrata) {
  const std::vector<StratumValues> strata{{0.05, {0.2, 0.5, 0.55, 0.6, 0.58, 0.1}},
                                          {0.2, {0.7, 0.72, 0.6, 0.71}},
                                          {0.15, {0.75, 0.76, 0.74, 0.755, 0.4}}};
  const StratifiedMean got = stratified_mean(strata, 0.6, 0.8, 0.03);
  EXPECT_NEAR(got.mean, 0.7397333333333334, 1e-12);
  EXPECT_NEAR(got.ci.low, 0.6331771866653547, 1e-9);
  EXPECT_NEAR(got.ci.high, 0.7694021530447704, 1e-9);
}

TEST(StratifiedMean, OfOneStratumIsThatOfAPlainSample) {
  std::vector<double> values;
  RandomStream random(3, 0, RandomPurpose::kPilot);
  for (int i = 0; i < 40; ++i) values.push_back(0.9 - 0.05 * std::exp(random.normal()) / 3);
  const Summary sample = summarize(values);
  const std::vector<StratumValues> strata{{1, values}};
  const StratifiedMean got = stratified_mean(strata, 0, 0.9, 0);
  const Interval student = student_interval(sample.mean, sample.sd, sample.count);
  EXPECT_NEAR(got.mean, sample.mean, 1e-12);
  EXPECT_NEAR(got.ci.high, student.high, 1e-9) << "losses are skewed: Student's end is farther out";
  EXPECT_NEAR(got.ci.low, skew_interval(sample).low, 2e-3) << "Hall's, farther down";
}

TEST(StratifiedMean, EqualTrialsAreNoCertainty) {
  const std::vector<StratumValues> strata{{0.1, std::vector<double>(8, 0.9)}};
  EXPECT_GT(stratified_mean(strata, 0.9, 0.9, 1e-4).ci.half_width(), 0);
  EXPECT_LT(stratified_share(strata, 0.9, 0.9, 0.89).ci.low, 0.97);
  EXPECT_EQ(stratified_share(strata, 0.9, 0.9, 0.89).share, 1);
  const std::vector<StratumValues> thirds{{1.0 / 7, {0.9, 0.9}}, {0.1, {0.9, 0.9}}};
  EXPECT_EQ(stratified_share(thirds, 1 - 1.0 / 7 - 0.1, 0.9, 0.89).share, 1);
}

/// Losses of single maps in strata as networks have them: many harmless maps, few that cost much.
struct LossLaw {
  double weight;
  double harmful;  ///< Share of maps with a large loss, uniform up to `most`.
  double most;
  double noise;
  double draw(RandomStream& random) const {
    const double small = noise * std::abs(random.normal());
    return random.uniform() < harmful ? most * random.uniform() : small;
  }
  double mean() const {
    return harmful * most / 2 + (1 - harmful) * noise * std::sqrt(2 / 3.14159265358979);
  }
};

TEST(Stratified, IntervalsHoldMeanAndYieldIn93PercentOfSimulatedCampaigns) {
  const std::vector<std::vector<LossLaw>> networks{
      {{0.01, 0.5, 0.6, 0.01}, {0.02, 0.2, 0.2, 0.002}, {0.1, 0.1, 0.02, 0.0005}},
      {{0.001, 0.3, 0.8, 0.001}, {0.01, 0.15, 0.3, 0.001}, {0.15, 0.3, 0.002, 0.0003}},
      {{0.2, 0.9, 0.1, 0.01}, {0.3, 0.5, 0.05, 0.005}}};
  constexpr double kGolden = 0.9, kWanted = 0.85;
  constexpr int kCampaigns = 1500;
  for (const std::vector<LossLaw>& laws : networks) {
    double untouched = 1, truth = kGolden, good = 0;
    std::vector<double> weights;
    for (const LossLaw& law : laws) {
      weights.push_back(law.weight);
      untouched -= law.weight;
      truth -= law.weight * law.mean();
      // Noise of these sizes never costs 0.05.
      good += law.weight * (1 - law.harmful * std::max(0.0, 1 - (kGolden - kWanted) / law.most));
    }
    good += untouched;
    int mean_held = 0, yield_held = 0;
    double sum = 0;
    for (uint64_t campaign = 0; campaign < kCampaigns; ++campaign) {
      RandomStream random(11, campaign, RandomPurpose::kPilot);
      std::vector<double> sds;
      for (const LossLaw& law : laws) {
        std::vector<double> pilot;
        for (int i = 0; i < 8; ++i) pilot.push_back(law.draw(random));
        sds.push_back(std::max(summarize(pilot).sd, 0.002));
      }
      const auto trials = allocate_trials(weights, sds, 200);
      std::vector<StratumValues> strata;
      for (size_t i = 0; i < laws.size(); ++i) {
        strata.push_back({laws[i].weight, {}});
        for (int64_t t = 0; t < trials[i]; ++t)
          strata[i].values.push_back(kGolden - laws[i].draw(random));
      }
      const StratifiedMean mean = stratified_mean(strata, untouched, kGolden, 1e-4);
      const StratifiedShare yield = stratified_share(strata, untouched, kGolden, kWanted);
      mean_held += mean.ci.contains(truth);
      yield_held += yield.ci.contains(good);
      sum += mean.mean;
    }
    EXPECT_GE(mean_held, 0.93 * kCampaigns) << laws.front().weight;
    EXPECT_GE(yield_held, 0.95 * kCampaigns) << laws.front().weight;
    EXPECT_NEAR(sum / kCampaigns, truth, 2e-4) << "unbiased";
  }
}

const std::string kRare = "estimator = \"stratified\"\nrates = [0.0001, 0.001]\nseed = 5\n";

std::string outcome(const SmallCampaign& campaign, const std::string& db) {
  nlohmann::json all = to_json(load_results(campaign.folder() / db).at(0));
  for (const char* const own : {"created", "finished"}) all.erase(own);
  return all.dump();
}

/// The mean over plain maps is what both estimate; the stratified one from far fewer.
TEST(Stratified, AgreesWithALargePlainCampaign) {
  SmallCampaign small;
  small.run(small.plan_of_one("rates = [0.001]\nseed = 7\ntrials = 20000\n"), "plain.db");
  const std::string text = "kinds = [\"bit_flip\", \"stuck_at_0\", \"stuck_at_1\"]\n";
  small.run(small.plan_of_one(text + kRare + "trials = 600\n"), "rare.db");
  const CellResult plain = *load_results(small.folder() / "plain.db").at(0).cell(0, 0, 0);
  const PlanResult rare = load_results(small.folder() / "rare.db").at(0);
  const CellResult& cell = *rare.cell(0, 0, 1);
  ASSERT_TRUE(cell.stratified());
  EXPECT_TRUE(cell.accuracies.empty());
  EXPECT_LE(std::abs(cell.accuracy.mean - plain.accuracy.mean),
            1.5 * (cell.ci.half_width() + plain.ci.half_width()));
  EXPECT_NEAR(cell.drawn, plain.drawn, 0.15 * plain.drawn);
  EXPECT_NEAR(cell.identical, plain.identical, 0.05);
  EXPECT_NEAR(cell.yield, plain.yield, 0.05);
  EXPECT_NEAR(cell.accuracy.sd, plain.accuracy.sd, 0.3 * plain.accuracy.sd);
  for (const CellResult& each : rare.cells) {
    EXPECT_NEAR(each.identical + each.masked + each.sdc1(), 1, 1e-9);
    EXPECT_TRUE(each.ci.contains(each.accuracy.mean));
    EXPECT_TRUE(each.yield_ci.contains(each.yield));
    EXPECT_GT(each.yield_ci.half_width(), 0);
  }
}

TEST(Stratified, IsTheSameInPiecesOnMoreThreadsAndVerified) {
  SmallCampaign small;
  const Plan plan = small.plan(kRare + "trials = 400\n");
  const CampaignReport report = small.run(plan, "whole.db");
  const PlanResult result = load_results(small.folder() / "whole.db").at(0);
  for (size_t i = 0; i < report.cells.size(); ++i) {
    EXPECT_EQ(report.cells[i].mean, result.cells[i].accuracy.mean);
    EXPECT_EQ(report.cells[i].ci, result.cells[i].ci);
  }
  int asked = 0;
  small.options().stop_requested = [&] { return ++asked == 2; };
  EXPECT_EQ(small.run(plan, "pieces.db").ending, Ending::kInterrupted);
  EXPECT_EQ(load_results(small.folder() / "pieces.db").at(0).cells.front().stop,
            StopReason::kRunning);
  small.options().stop_requested = nullptr;
  small.options().engine.threads = 3;
  small.options().verify_share = 0.2;
  EXPECT_GT(small.run(plan, "pieces.db").verified, 0);
  EXPECT_EQ(outcome(small, "pieces.db"), outcome(small, "whole.db"));
}

TEST(Stratified, IsAnotherPlanThanAPlainOne) {
  SmallCampaign small;
  small.run(small.plan_of_one("rates = [0.001]\ntrials = 80\n"), "a.db");
  const std::string said = error_of([&] {
    small.run(small.plan_of_one("rates = [0.001]\ntrials = 80\nestimator = \"stratified\"\n"),
              "a.db");
  });
  EXPECT_NE(said.find("estimator"), std::string::npos) << said;
}

TEST(Stratified, RefusesWhatItCannotKeep) {
  SmallCampaign small;
  for (const char* const key :
       {"half_width = 0.01", "counts = [1]", "images_per_trial = 10", "images = \"auto\"",
        "single_fault = \"sampled\"", "find_tolerable = 0.01"}) {
    const std::string said =
        error_of([&] { small.plan(std::string("estimator = \"stratified\"\n") + key + "\n"); });
    EXPECT_NE(said.find("contradicts estimator"), std::string::npos) << key << ": " << said;
  }
  const std::string few =
      error_of([&] { small.run(small.plan_of_one(kRare + "trials = 5\n"), "few.db"); });
  EXPECT_NE(few.find("needs at least"), std::string::npos) << few;
}

TEST(Stratified, ADamagedDivisionIsRefused) {
  SmallCampaign small;
  small.run(small.plan_of_one(kRare + "trials = 80\n"), "a.db");
  const std::filesystem::path file = small.folder() / "a.db";
  const std::pair<const char*, const char*> damages[] = {
      {"'$.cells[0].strata[0].trials', 79", "trials to strata, a cell has 80"},
      {"'$.cells[1].strata[0].weight', 1.5", "weight is 1.5"},
      {"'$.cells[0].untouched', -1", "untouched is -1"}};
  for (const auto& [change, said] : damages) {
    const std::filesystem::path copy = small.folder() / "b.db";
    std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(copy.c_str(), &database), SQLITE_OK);
    const std::string sql = std::string("UPDATE plans SET pilot = json_set(pilot, ") + change + ")";
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    const std::string got = error_of([&] { load_results(copy); });
    EXPECT_NE(got.find(said), std::string::npos) << change << ": " << got;
  }
}

/// 0.8 of all maps untouched and good; of the strata, one map of four and two of two are good.
TEST(StratifiedShare, EqualsAHandWorkedCase) {
  const std::vector<StratumValues> strata{{0.15, {0.4, 0.5, 0.6, 0.9}}, {0.05, {0.8, 0.85}}};
  const StratifiedShare got = stratified_share(strata, 0.8, 0.9, 0.8);
  EXPECT_NEAR(got.share, 0.8 + 0.15 * 0.25 + 0.05, 1e-12);
  const Interval quarter = clopper_pearson(1, 4), whole = clopper_pearson(2, 2);
  const double down = std::hypot(0.15 * (0.25 - quarter.low), 0.05 * (1 - whole.low));
  EXPECT_NEAR(got.ci.low, got.share - down, 1e-12);
  EXPECT_NEAR(got.ci.high, got.share + 0.15 * (quarter.high - 0.25), 1e-12);
  EXPECT_EQ(stratified_share(strata, 0.8, 0.9, 0.1).share, 1) << "all are good";
  EXPECT_NEAR(stratified_share(strata, 0.8, 0.9, 0.95).share, 0, 1e-12) << "none is";
}

}  // namespace
}  // namespace flatenn::campaign
