#include "flatenn/campaign/campaign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "campaign/analysis.h"
#include "campaign/test_plan.h"
#include "flatenn/campaign/results.h"

namespace flatenn::campaign {
namespace {

using store::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::SmallCampaign;

const std::string kTwoRates = "rates = [0.01, 0.05]\ntrials = 12\nseed = 5\n";

/// Everything that must be equal between two runs of a plan, as text: all statistics to the last
/// bit, every trial included.
std::string outcome(const SmallCampaign& campaign, const std::string& db) {
  nlohmann::json all = to_json(load_results(campaign.folder() / db).at(0));
  for (const char* const own : {"created", "finished"}) all.erase(own);
  return all.dump();
}

TEST(Campaign, RunsEveryCellAndTellsItsStatistics) {
  SmallCampaign small;
  const CampaignReport report =
      small.run(small.plan("kinds = [\"bit_flip\", \"stuck_at_0\"]\n" + kTwoRates), "a.db");
  EXPECT_EQ(report.ending, Ending::kDone);
  EXPECT_EQ(report.trials, 2 * 2 * 2 * 12);
  const PlanResult plan = load_results(small.folder() / "a.db").at(0);
  EXPECT_EQ(plan.cells.size(), 8U);
  EXPECT_EQ(plan.pairs.size(), 4U);
  EXPECT_EQ(plan.tolerances.size(), 4U);
  EXPECT_DOUBLE_EQ(plan.models.at(0).golden_accuracy, 0.9);
  for (const CellResult& cell : plan.cells) {
    EXPECT_EQ(cell.stop, StopReason::kTrials);
    EXPECT_EQ(cell.accuracy.count, 12);
    EXPECT_TRUE(cell.ci.contains(cell.accuracy.mean));
    EXPECT_NEAR(cell.identical + cell.masked + cell.sdc1(), 1, 1e-12);
    EXPECT_GE(cell.drawn, cell.landed);
    EXPECT_GT(cell.landed, 0);
  }
  const CellResult& low = *plan.cell(0, 0, 0);
  const CellResult& high = *plan.cell(0, 0, 1);
  EXPECT_EQ(low.drawn, low.landed) << "every flip lands";
  EXPECT_LT(low.drawn, high.drawn);
  EXPECT_GT(low.accuracy.mean, high.accuracy.mean);
  EXPECT_LT(plan.cell(0, 1, 1)->landed, plan.cell(0, 1, 1)->drawn) << "some bits are 0 already";
}

TEST(Campaign, AFinishedOneNeedsNoEngine) {
  SmallCampaign small;
  const std::string whole = "kinds = [\"bit_flip\", \"stuck_at_0\"]\n" + kTwoRates;
  const std::string part = whole + "images_per_trial = 11\n";  // with a pilot
  for (const std::string& text : {whole, part}) {
    const Plan plan = small.plan(text);
    const std::string file = text == part ? "part.db" : "whole.db";
    const CampaignReport first = small.run(plan, file);
    const CampaignReport again = small.run(plan, file);
    EXPECT_NE(first.engine, "");
    EXPECT_EQ(again.engine, "");
    EXPECT_EQ(again.ending, Ending::kDone);
    EXPECT_EQ(again.trials, 0);
    ASSERT_EQ(again.cells.size(), first.cells.size());
    for (size_t i = 0; i < first.cells.size(); ++i)
      EXPECT_EQ(again.cells[i].mean, first.cells[i].mean);
  }
}

TEST(Campaign, NoFaultsGiveTheGoldenAccuracyAndAllGiveTheSameMap) {
  SmallCampaign small;
  small.run(small.plan_of_one("rates = [0.0, 1.0]\ntrials = 3\n"), "a.db");
  const PlanResult plan = load_results(small.folder() / "a.db").at(0);
  EXPECT_EQ(plan.cells.at(0).accuracy.mean, plan.models.at(0).golden_accuracy);
  EXPECT_EQ(plan.cells.at(0).identical, 1);
  EXPECT_EQ(plan.cells.at(0).mean_loss, plan.models.at(0).golden_loss);
  EXPECT_EQ(plan.cells.at(1).accuracy.sd, 0);
  EXPECT_EQ(plan.cells.at(1).drawn, static_cast<double>(plan.models.at(0).weight_bits));
}

TEST(Campaign, AnExactNumberOfFaultsIsDrawnInEveryTrial) {
  SmallCampaign small;
  small.run(small.plan("counts = [20, 0, 3]\ntrials = 5\nspare = [\"fc2\"]\n"), "a.db");
  const PlanResult plan = load_results(small.folder() / "a.db").at(0);
  EXPECT_TRUE(plan.by_counts());
  for (const CellResult& cell : plan.cells) {
    const Level& level = plan.levels.at(static_cast<size_t>(cell.level));
    EXPECT_EQ(cell.drawn, static_cast<double>(level.count.value())) << level.label;
  }
  EXPECT_LE(plan.tolerances.at(0).rate, 20);
}

TEST(Campaign, MapsOfTheWantedAccuracyCountForTheYield) {
  for (const double golden : {0.93, 0.58, 0.0102, 0.69}) {
    const double wanted = golden - 0.01;
    const auto right = static_cast<int64_t>(std::llround(wanted * 10'000));
    const store::TrialRow row{.images = 10'000, .correct = right, .golden_correct = right + 100};
    const CellResult cell = analyse_cell({row}, {.max_trials = 1}, {}, wanted, 1);
    EXPECT_EQ(cell.yield, 1) << golden;
  }
}

TEST(Campaign, IntervalsOfAccuraciesLieInTheirRange) {
  const auto row = [](int64_t trial, int64_t correct) {
    return store::TrialRow{.trial = trial, .images = 100, .correct = correct};
  };
  const CellResult cell = analyse_cell({row(0, 99), row(1, 80)}, {.max_trials = 2}, {}, 0.9, 1);
  EXPECT_EQ(cell.ci.high, 1);
  EXPECT_EQ(cell.ci.low, 0);
  EXPECT_FALSE(cell.skew_ci.has_value()) << "two trials tell nothing of skewness";
}

TEST(Campaign, GivesTheSameBitsAtAnyThreadCount) {
  SmallCampaign small;
  const Plan plan = small.plan(kTwoRates);
  small.run(plan, "1.db");
  for (const int64_t threads : {2, 4}) {
    small.options().engine.threads = threads;
    const std::string db = std::to_string(threads) + ".db";
    small.run(plan, db);
    EXPECT_EQ(outcome(small, db), outcome(small, "1.db"));
  }
}

TEST(Campaign, GoesOnWhereItStopped) {
  class StopSoon : public Observer {
   public:
    explicit StopSoon(bool& stop) : stop_(stop) {}
    /// The first news may be of trials that were there before.
    void advanced(int64_t, int64_t, const CellProgress&) override { stop_ = ++calls_ == 2; }

   private:
    bool& stop_;
    int calls_ = 0;
  };
  SmallCampaign small;
  const Plan plan = small.plan(kTwoRates);
  small.run(plan, "whole.db");
  bool stop = false;
  small.options().stop_requested = [&] { return stop; };
  int64_t trials = 0;
  int runs = 0;
  for (Ending ending = Ending::kInterrupted; ending != Ending::kDone; ++runs) {
    stop = false;
    store::Store store = small.open("parts.db");
    StopSoon observer(stop);
    const CampaignReport report = run_campaign(plan, store, small.options(), observer);
    ending = report.ending;
    trials += report.trials;
    ASSERT_LT(runs, 100);
  }
  EXPECT_GT(runs, 2);
  EXPECT_EQ(trials, 2 * 2 * 12) << "no trial was run twice";
  EXPECT_EQ(outcome(small, "parts.db"), outcome(small, "whole.db"));
}

TEST(Campaign, RefusesAPlanOfTheSameNameWithAnotherMeaning) {
  SmallCampaign small;
  small.run(small.plan(kTwoRates), "a.db");
  const std::string rate = error_of(
      [&] { small.run(small.plan("rates = [0.01, 0.06]\ntrials = 12\nseed = 5\n"), "a.db"); });
  EXPECT_THAT(rate, HasSubstr("a.db: plan 'campaign' means something else there: levels[1].rate: "
                              "0.05 in the database, 0.06 now"));
  EXPECT_THAT(rate, Not(HasSubstr("\n")));
  net::Network changed = testing::small_network(2);
  changed.layers[0].weights.codes[0] ^= 1;
  interop::write_onnx(changed, small.folder() / "mlp2.onnx");
  EXPECT_THAT(error_of([&] { small.run(small.plan(kTwoRates), "a.db"); }),
              HasSubstr("models[1].hash: "));
  EXPECT_EQ(load_results(small.folder() / "a.db").size(), 1U);
  small.run(small.plan("name = \"other\"\n" + kTwoRates), "a.db");
  EXPECT_EQ(load_results(small.folder() / "a.db").size(), 2U);
}

/// Runs a statement on the database when the first trials are in.
class Meddler final : public Observer {
 public:
  Meddler(std::filesystem::path database, std::string statement)
      : database_(std::move(database)), statement_(std::move(statement)) {}
  void advanced(int64_t, int64_t, const CellProgress&) override {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(database_.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, statement_.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }

 private:
  std::filesystem::path database_;
  std::string statement_;
};

TEST(Campaign, SaysThatTheDatabaseWasChangedUnderTheRun) {
  const std::pair<const char*, const char*> cases[] = {
      {"DELETE FROM trials",
       "was changed under the run: of 4 finished trials of plan 'campaign' 0"},
      {"UPDATE plans SET fingerprint = 'x'", "under the run: plan 'campaign' is gone or another"}};
  for (const auto& [statement, said] : cases) {
    SmallCampaign small;
    store::Store store = small.open("a.db");
    Meddler meddler(small.folder() / "a.db", statement);
    EXPECT_THAT(
        error_of([&] { run_campaign(small.plan(kTwoRates), store, small.options(), meddler); }),
        HasSubstr(said));
  }
}

TEST(Campaign, AHalfWidthRuleUsesTheSmallestCheckpointThatDoes) {
  SmallCampaign small;
  const Plan plan =
      small.plan_of_one("rates = [0.001, 0.05]\ntrials = 400\nhalf_width = 0.04\nseed = 5\n");
  small.run(plan, "a.db");
  const PlanResult result = load_results(small.folder() / "a.db").at(0);
  for (const CellResult& cell : result.cells) {
    EXPECT_EQ(cell.stop, StopReason::kHalfWidth);
    EXPECT_LE(cell.ci.half_width(), 0.04);
    const StopRule rule{.max_trials = 400, .half_width = 0.04, .sd_floor = 1.0 / 40};
    EXPECT_EQ(rule.decide(cell.accuracies).trials, cell.accuracy.count);
  }
  small.options().engine.threads = 4;
  small.run(plan, "4.db");
  EXPECT_EQ(outcome(small, "4.db"), outcome(small, "a.db"));
}

TEST(Campaign, SaysWhatWasReachedWhereTheTimeWasTooShort) {
  SmallCampaign small;
  const std::string message = error_of([&] {
    small.run(small.plan_of_one("rates = [0.05]\ntrials = 1000000\nhalf_width = 0.00001\n"
                                "time_limit = 0.3\n"),
              "a.db");
  });
  EXPECT_THAT(message, HasSubstr("half-width 1e-05 was not reached within 0.3 s in 1 of 1 cells"));
  EXPECT_THAT(message, HasSubstr("reached "));
  const PlanResult plan = load_results(small.folder() / "a.db").at(0);
  EXPECT_EQ(plan.cells.at(0).stop, StopReason::kTimeLimit);
  EXPECT_TRUE(plan.time_limited);
  EXPECT_GT(plan.cells.at(0).accuracy.count, 0);
}

TEST(Campaign, ExportsNoNumbersOfCellsWithoutTrials) {
  SmallCampaign small(20);
  small.run(small.plan_of_one("rates = [0.01]\ntrials = 1\n"), "a.db");
  PlanResult plan = load_results(small.folder() / "a.db").at(0);
  const auto exported = [&] {
    return nlohmann::json::parse(to_json(plan).dump()).at("cells").at(0);
  };
  EXPECT_TRUE(exported().at("mean").is_number());
  EXPECT_TRUE(exported().at("sd").is_null()) << "one trial tells no spread";
  plan.cells.at(0).accuracy = {};
  for (const char* const key : {"mean", "sd", "median", "min", "p5", "yield", "sdc1", "drawn"}) {
    EXPECT_TRUE(exported().at(key).is_null()) << key;
  }
  EXPECT_THAT(to_csv({plan}), HasSubstr(std::to_string(plan.cells.at(0).images) + ","));
  EXPECT_THAT(to_csv({plan}), HasSubstr(",,,,,,,,,,"));
}

TEST(Campaign, TellsResultsAsTheLastRunAskedFor) {
  SmallCampaign small;
  small.run(small.plan_of_one("rates = [0.01, 0.05]\ntrials = 12\nwanted_accuracy = 0\n"), "a.db");
  const PlanResult first = load_results(small.folder() / "a.db").at(0);
  EXPECT_EQ(first.cells.at(1).yield, 1);
  small.run(small.plan_of_one("rates = [0.01, 0.05]\ntrials = 12\nwanted_accuracy = 1\n"
                              "tolerated_drop = 0.2\n"),
            "a.db");
  const PlanResult second = load_results(small.folder() / "a.db").at(0);
  EXPECT_EQ(second.cells.at(1).yield, 0);
  EXPECT_EQ(second.tolerated_drop, 0.2);
  EXPECT_EQ(second.cells.at(1).accuracies, first.cells.at(1).accuracies);
  EXPECT_THAT(second.reproduce_command(second.cells.at(1)),
              HasSubstr(" --wanted-accuracy 1.0 --tolerated-drop 0.2"));
}

TEST(Campaign, RefusesMoreImagesATrialThanThereAre) {
  SmallCampaign small(20);
  const Plan plan = small.plan_of_one("images_per_trial = 21\n");
  EXPECT_THAT(error_of([&] { small.run(plan, "a.db"); }),
              HasSubstr("images_per_trial: 21 is more than the 20 images there are"));
}

TEST(Campaign, FewImagesATrialGiveTheSameMeanWithinTheIntervals) {
  SmallCampaign small(200);
  small.run(small.plan_of_one("name = \"all\"\nrates = [0.01]\ntrials = 200\n"), "a.db");
  small.run(small.plan_of_one("name = \"few\"\nrates = [0.01]\ntrials = 200\n"
                              "images_per_trial = 30\n"),
            "a.db");
  small.run(small.plan_of_one("name = \"one\"\nrates = [0.01]\ntrials = 3\n"
                              "images_per_trial = 1\n"),
            "a.db");
  const std::vector<PlanResult> plans = load_results(small.folder() / "a.db");
  const CellResult& all = plans.at(0).cells.at(0);
  const CellResult& few = plans.at(1).cells.at(0);
  EXPECT_EQ(few.images, 30);
  EXPECT_THAT(plans.at(0).reproduce_command(all), ::testing::Not(HasSubstr("--images ")));
  EXPECT_THAT(plans.at(1).reproduce_command(few), HasSubstr(" --images 30"));
  EXPECT_THAT(plans.at(2).reproduce_command(plans.at(2).cells.at(0)), HasSubstr(" --images 1"));
  EXPECT_TRUE(std::isnan(few.yield)) << "a noisy estimate of a map is not the map";
  EXPECT_TRUE(std::isfinite(all.yield));
  EXPECT_NEAR(few.accuracy.mean, all.accuracy.mean, 2 * few.ci.half_width());
  EXPECT_GT(few.accuracy.sd, all.accuracy.sd);
}

TEST(Campaign, AForecastIsStoredAndTheCampaignFollowsIt) {
  SmallCampaign small(200);
  const Plan plan =
      small.plan_of_one("rates = [0.05]\ntrials = 2000\nhalf_width = 0.02\nimages = \"auto\"\n");
  store::Store store = small.open("a.db");
  const Forecast forecast = forecast_campaign(plan, store, small.options());
  EXPECT_LE(forecast.inferences(), forecast.full_inferences());
  EXPECT_EQ(store.trial_count(forecast.plan), 0) << "a pilot's trials are no result";
  small.run(plan, "a.db");
  const PlanResult result = load_results(store).at(0);
  EXPECT_EQ(result.cells.at(0).images, forecast.images);
  EXPECT_EQ(result.cells.at(0).stop, StopReason::kHalfWidth);
  EXPECT_EQ(forecast_campaign(plan, store, small.options()).images, forecast.images);
}

TEST(Campaign, AnExhaustiveSingleFaultCampaignTriesEveryBitOnce) {
  SmallCampaign small(20);
  const Plan plan = small.plan_of_one("single_fault = \"exhaustive\"\nlayers = [\"fc2\"]\n");
  small.run(plan, "a.db");
  const PlanResult result = load_results(small.folder() / "a.db").at(0);
  const StratumResult& total = result.strata.back();
  EXPECT_EQ(total.layer_name, "all");
  EXPECT_EQ(total.tried, total.population);
  const net::Network network = testing::small_network(1);
  int64_t bits = 0;
  for (const net::WeightTensor& tensor : net::weight_memory(network)) {
    if (tensor.name == "fc2") bits += tensor.elements * tensor.bits;
  }
  ASSERT_GT(bits, 0);
  EXPECT_EQ(total.population, bits);
  EXPECT_EQ(total.ci.half_width(), 0);
  EXPECT_GT(total.critical, 0);
  EXPECT_LT(total.share, 1);
  int64_t critical = 0;
  for (size_t i = 0; i + 1 < result.strata.size(); ++i) critical += result.strata[i].critical;
  EXPECT_EQ(critical, total.critical);
}

TEST(Campaign, SingleFaultsTakeTheBitsThatOtherCampaignsTake) {
  SmallCampaign small(10);
  small.run(
      small.plan_of_one("single_fault = \"exhaustive\"\nlayers = [\"fc2\"]\nbits = [0, -2]\n"),
      "a.db");
  const PlanResult result = load_results(small.folder() / "a.db").at(0);
  ASSERT_EQ(result.strata.size(), 3U) << "two and their total";
  EXPECT_EQ(result.strata[0].bit, 0);
  const net::Network network = testing::small_network(1);
  for (const net::WeightTensor& tensor : net::weight_memory(network)) {
    if (tensor.name == "fc2") {
      EXPECT_EQ(result.strata[1].bit, tensor.bits - 2);
    }
  }
}

TEST(Campaign, ASampledSingleFaultCampaignHoldsTheExhaustiveShare) {
  SmallCampaign small(20);
  const std::string layer = "layers = [\"fc2\"]\n";
  small.run(small.plan_of_one("name = \"all\"\nsingle_fault = \"exhaustive\"\n" + layer), "a.db");
  small.run(small.plan_of_one("name = \"some\"\nsingle_fault = \"sampled\"\n"
                              "single_fault_error = 0.1\n" +
                              layer),
            "a.db");
  const std::vector<PlanResult> plans = load_results(small.folder() / "a.db");
  const StratumResult& all = plans.at(0).strata.back();
  const StratumResult& some = plans.at(1).strata.back();
  EXPECT_LT(some.tried, all.tried);
  EXPECT_NEAR(some.share, all.share, 2 * some.ci.half_width());
}

/// The command of a stratum selects its layer and bit alone, and that gives the same faults.
TEST(Campaign, AStratumAloneGivesTheSameResult) {
  SmallCampaign small(20);
  const std::string sampled = "single_fault = \"sampled\"\nsingle_fault_error = 0.1\n";
  small.run(small.plan_of_one("name = \"all\"\n" + sampled), "a.db");
  const PlanResult all = load_results(small.folder() / "a.db").at(0);
  const StratumResult& stratum = all.strata.at(all.strata.size() - 2);
  EXPECT_THAT(all.reproduce_command(stratum),
              HasSubstr(" --encoding twos_complement --layers " + stratum.layer_name + " --bits " +
                        std::to_string(stratum.bit) +
                        " --single-fault sampled --set single_fault_error=0.1 --set "
                        "single_fault_confidence=0.95 --seed "));
  small.run(small.plan_of_one("name = \"one\"\nlayers = [\"" + stratum.layer_name +
                              "\"]\nbits = [" + std::to_string(stratum.bit) + "]\n" + sampled),
            "a.db");
  const StratumResult alone = load_results(small.folder() / "a.db").at(1).strata.at(0);
  EXPECT_EQ(alone.layer_name, stratum.layer_name);
  EXPECT_EQ(alone.tried, stratum.tried);
  EXPECT_EQ(alone.critical, stratum.critical);
  EXPECT_EQ(alone.mean_sdc1, stratum.mean_sdc1);
}

TEST(Campaign, RunsComposedFaultsWithAndWithoutProtection) {
  SmallCampaign small;
  const std::string faults =
      "rates = [0.02]\ntrials = 10\nseed = 3\n[[faults]]\nkind = \"bit_flip\"\n"
      "[[faults]]\nkind = \"stuck_at_1\"\nrate = 0.001\n";
  small.run(small.plan_of_one("name = \"bare\"\n" + faults), "a.db");
  small.run(
      small.plan_of_one("name = \"guarded\"\n" + faults + "[protection]\ncode = \"secded\"\n"),
      "a.db");
  const std::vector<PlanResult> plans = load_results(small.folder() / "a.db");
  const CellResult& bare = plans.at(0).cells.at(0);
  const CellResult& guarded = plans.at(1).cells.at(0);
  EXPECT_EQ(plans.at(0).kinds, std::vector<std::string>{"faults"});
  EXPECT_GT(bare.landed, 0);
  EXPECT_NE(plans.at(0).fingerprint, plans.at(1).fingerprint);
  EXPECT_NE(bare.accuracies, guarded.accuracies);
}

TEST(Campaign, RefusesRatesThatFactorsTakeAboveOneBeforeItStoresAPlan) {
  SmallCampaign small;
  const std::string rates = "rates = [0.001, 0.3]\n[[faults]]\n";
  for (const std::string faults :
       {"rate_factor = 4", "bit_factors = [1, 1, 1, 1, 1, 1, 1, 4]",
        "target = \"activations\"\nkind = \"bit_flip\"\nbit_factors = [1, 1, 1, 1, 1, 1, 1, 4]"}) {
    EXPECT_THAT(error_of([&] { small.run(small.plan_of_one(rates + faults), "a.db"); }),
                ::testing::AnyOf(HasSubstr("exceeds 1"), HasSubstr("is 1.2, above 1")))
        << faults;
  }
  EXPECT_TRUE(small.open("a.db").plans().empty());
}

TEST(Campaign, NamesADamagedPlan) {
  SmallCampaign small;
  small.run(small.plan(kTwoRates), "a.db");
  for (const char* damage : {"UPDATE plans SET settings = '1'", "UPDATE plans SET layout = '{}'",
                             "UPDATE plans SET settings = '{'", "DELETE FROM plan_models",
                             "UPDATE cells SET model = 7 WHERE cell = 0"}) {
    std::filesystem::copy_file(small.folder() / "a.db", small.folder() / "b.db",
                               std::filesystem::copy_options::overwrite_existing);
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((small.folder() / "b.db").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, damage, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    EXPECT_THAT(error_of([&] { load_results(small.folder() / "b.db"); }),
                HasSubstr("b.db: is damaged: "))
        << damage;
  }
}

TEST(Campaign, NamesAModelThatDoesNotFitTheImages) {
  SmallCampaign small;
  auto other = std::make_shared<data::ImageSet>(*small.options().images);
  other->class_names.pop_back();
  small.options().images = other;
  EXPECT_THAT(error_of([&] { small.run(small.plan(kTwoRates), "a.db"); }),
              HasSubstr("mlp1.onnx: does not fit mnist"));
}

TEST(Campaign, ExportsCsvAndTheCommandOfACell) {
  SmallCampaign small;
  small.run(small.plan(kTwoRates), "a.db");
  const std::vector<PlanResult> plans = load_results(small.folder() / "a.db");
  const std::string csv = to_csv(plans);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
  EXPECT_THAT(csv, HasSubstr("plan,model,kind,level,rate"));
  EXPECT_THAT(csv, HasSubstr("campaign,mlp1,bit_flip,0.01,0.01,"));
  small.run(small.plan_of_one("name = \"part\"\nlayers = [\"fc2\"]\nbits = [-1, 0]\n" + kTwoRates),
            "a.db");
  const PlanResult part = load_results(small.folder() / "a.db").at(1);
  EXPECT_THAT(part.reproduce_command(part.cells.at(0)), HasSubstr(" --layers fc2 --bits -1,0 "));
  EXPECT_THAT(plans.at(0).reproduce_command(plans.at(0).cells.at(1)),
              HasSubstr("mlp1.onnx --data mnist --first-images 40 --kinds bit_flip --encoding "
                        "twos_complement --rates 0.05 --seed 5 --trials 12"));
}

}  // namespace
}  // namespace flatenn::campaign
