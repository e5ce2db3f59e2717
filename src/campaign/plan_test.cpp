#include "flatenn/campaign/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "store/store_test_support.h"

namespace flatenn::campaign {
namespace {

using nlohmann::json;
using store::error_of;
using testing::HasSubstr;

Plan read(const std::string& toml) {
  Config config = Config::from_string(toml, "plan.toml");
  return read_plan(config);
}

std::string error_in(const std::string& toml) {
  return error_of([&] { read(toml); });
}

const std::string kModel = "models = \"a.onnx\"\n";

TEST(Plan, ReadsAPlan) {
  const Plan plan = read(kModel +
                         "kinds = [\"bit_flip\", \"stuck_at_1\"]\nrates = [0.01, 0.001]\n"
                         "layers = [\"fc3\"]\nbits = [-1]\ntrials = 7\nseed = 3\n"
                         "half_width = 0.01\nimages_per_trial = 50\nmemory.encoding = \"gray\"\n");
  ASSERT_EQ(plan.kinds.size(), 2U);
  EXPECT_EQ(plan.kinds[1].name, "stuck_at_1");
  EXPECT_EQ(plan.kinds[1].model.sources.at(0).kinds.stuck_at_1, 1);
  EXPECT_EQ(plan.kinds[1].model.encoding, fault::Encoding::kGray);
  EXPECT_EQ(plan.kinds[0].model.sources.at(0).bits, std::vector{-1});
  EXPECT_EQ(plan.levels.at(0).label, "0.001");
  EXPECT_EQ(plan.levels.at(1).rate, 0.01);
  EXPECT_EQ(plan.trials, 7);
  EXPECT_EQ(plan.images.count, 50);
}

TEST(Plan, TakesPathsOfOwnDataFromItsOwnFolder) {
  const auto data = [](const std::string& name) {
    Config config = Config::from_string(kModel + "data = \"" + name + "\"\n", "plan.toml");
    return read_plan(config, "/plans/here").dataset;
  };
  EXPECT_EQ(data("mnist"), "mnist");
  EXPECT_EQ(data("imagenet"), "imagenet");  // refused where it is looked for
  EXPECT_EQ(data("own.npz"), "/plans/here/own.npz");
  EXPECT_EQ(data("../flowers/data.toml"), "/plans/flowers/data.toml");
  EXPECT_EQ(data("/data/flowers"), "/data/flowers");
}

TEST(Plan, TakesVoltagesFromATable) {
  const TemporaryFolder folder;
  std::ofstream(folder / "sram.csv") << "voltage,rate\n0.6,0.01\n0.8,0.0001\n";
  Config config = Config::from_string(
      kModel + "voltage_table = \"sram.csv\"\nvoltages = [0.8, 0.7, 0.6]\n", "plan.toml");
  const Plan plan = read_plan(config, folder.path());
  ASSERT_EQ(plan.levels.size(), 3U);
  EXPECT_EQ(plan.levels[0].label, "0.8 V");
  EXPECT_NEAR(plan.levels[1].rate, 0.001, 1e-12);
  EXPECT_EQ(plan.levels[2].voltage, 0.6);
}

TEST(Plan, SortsExactCountsAndGivesThemNoRate) {
  const Plan plan = read(kModel + "counts = [100, 0, 1]\n");
  ASSERT_EQ(plan.levels.size(), 3U);
  EXPECT_EQ(plan.levels[1].count, 1);
  EXPECT_EQ(plan.levels[1].label, "1 fault");
  EXPECT_EQ(plan.levels[2].label, "100 faults");
  EXPECT_EQ(plan.levels[2].place(), 100);
  EXPECT_EQ(plan.levels[2].rate, 0);
}

TEST(Plan, NamesWrongAndContradictoryKeysWithTheirLine) {
  EXPECT_THAT(error_in("rates = [0.1]\n"), HasSubstr("models: name at least one model"));
  EXPECT_THAT(error_in(kModel + "rates = [0.1, 1.5]"),
              HasSubstr("plan.toml:2: rates: must be in [0, 1], got 1.5"));
  EXPECT_THAT(error_in(kModel + "rates = [0.1, 0.1]"), HasSubstr("0.1 stands twice"));
  EXPECT_THAT(error_in(kModel + "rates = [0.1]\ncounts = [1]"),
              HasSubstr("plan.toml:3: counts: contradicts rates"));
  EXPECT_THAT(error_in(kModel + "kinds = [\"bitflip\"]"), HasSubstr("plan.toml:2: kinds: "));
  EXPECT_THAT(error_in(kModel + "kinds = [\"bit_flip\", \"bit_flip\"]"), HasSubstr("stands twice"));
  EXPECT_THAT(error_in(kModel + "trails = 3"),
              HasSubstr("plan.toml:2: unknown key 'trails'; did you mean 'trials'?"));
  EXPECT_THAT(error_in(kModel + "trials = 0"), HasSubstr("trials: must be in [1, "));
  EXPECT_THAT(error_in(kModel + "trials = 2147483648"),
              HasSubstr("trials: must be in [1, 10000000], got 2147483648"));
  EXPECT_THAT(error_in(kModel + "images = \"auto\"\nimages_per_trial = 3"),
              HasSubstr("contradicts images"));
  EXPECT_THAT(error_in(kModel + "single_fault = \"sampled\"\nrates = [0.1]"),
              HasSubstr("rates: contradicts single_fault"));
  EXPECT_THAT(error_in(kModel + "single_fault = \"sampled\"\ntrials = 3"),
              HasSubstr("plan.toml:3: trials: contradicts single_fault; single_fault_error says"));
  EXPECT_THAT(error_in(kModel + "single_fault = \"exhaustive\"\ntrials = 3"),
              HasSubstr("trials: contradicts single_fault = \"exhaustive\""));
  for (const char* const key : {"half_width", "wanted_accuracy", "tolerated_drop"}) {
    EXPECT_THAT(error_in(kModel + "single_fault = \"sampled\"\n" + key + " = 0.1"),
                HasSubstr(key + std::string(": has no meaning with single_fault")));
  }
  for (const char* const mode : {"", "single_fault = \"exhaustive\"\n"}) {
    EXPECT_THAT(error_in(kModel + mode + "single_fault_error = 0.1"),
                HasSubstr("single_fault_error: has no meaning without"));
  }
  EXPECT_THAT(error_in(kModel + "name = \"\""), HasSubstr("plan.toml:2: name: must not be empty"));
  EXPECT_THAT(error_in(kModel + "counts = [3, 3]"), HasSubstr("3 faults stands twice"));
  EXPECT_THAT(error_in(kModel + "counts = [3]\nbiases = true"),
              HasSubstr("plan.toml:2: counts: are for one source of faults"));
  EXPECT_THAT(error_in(kModel + "single_fault = \"sampled\"\nbiases = true"),
              HasSubstr("plan.toml:3: biases: contradicts single_fault"));
  EXPECT_THAT(error_in(kModel + "single_fault = \"sampled\"\n[[faults]]\nunit = \"word\"\n"),
              HasSubstr("plan.toml:3: faults: contradicts single_fault"));
  EXPECT_THAT(error_in(kModel + "voltages = [0.7]"), HasSubstr("voltages: need a voltage_table"));
  EXPECT_THAT(error_in(kModel + "rates = [0.1]\n[[faults]]\nkind = \"bit_flip\"\nrate = 0.01\n"),
              HasSubstr("rates: contradicts [[faults]]"));
  EXPECT_THAT(error_in(kModel + "bits = [1]\n[[faults]]\nkind = \"bit_flip\"\n"),
              HasSubstr("bits: contradicts [[faults]]"));
}

/// Both ends of every number's range are taken, what is beyond is refused by its key.
TEST(Plan, EveryNumberHasItsRange) {
  struct Bounds {
    const char* before;
    const char* key;
    double least;
    double most;
    double step;
  };
  for (const Bounds& bounds :
       {Bounds{"", "half_width", 1e-6, 0.5, 1e-7},
        {"", "wanted_accuracy", 0, 1, 1e-7},
        {"", "tolerated_drop", 0, 1, 1e-7},
        {"", "time_limit", 0, 1e9, 1},
        {"", "trials", 1, 1e7, 1},
        {"single_fault = \"sampled\"\n", "single_fault_error", 1e-4, 0.5, 1e-7},
        {"single_fault = \"sampled\"\n", "single_fault_confidence", 0.5, 0.9999, 1e-7},
        {"", "find_tolerable", 1e-6, 1, 1e-7},
        {"find_tolerable = 0.1\n", "within", 1.02, 100, 1e-7}}) {
    const auto with = [&](double value) {
      std::ostringstream text;
      text << kModel << bounds.before << bounds.key << " = " << std::setprecision(12) << value
           << "\n";
      try {
        read(text.str());
      } catch (const Error& error) {
        return std::string(error.what());
      }
      return std::string("no error");
    };
    const std::string named = bounds.key + std::string(": must be in [");
    EXPECT_THAT(with(bounds.least), ::testing::Not(HasSubstr(named)));
    EXPECT_THAT(with(bounds.most), ::testing::Not(HasSubstr(named)));
    EXPECT_THAT(with(bounds.least - bounds.step), HasSubstr(named)) << bounds.least;
    EXPECT_THAT(with(bounds.most + bounds.step), HasSubstr(named)) << bounds.most;
  }
}

TEST(Difference, NamesTheFirstPlaceAndBothValues) {
  const json stored = json::parse(R"({"models": [{"name": "a", "hash": "1"}], "seed": 1})");
  json now = stored;
  EXPECT_EQ(describe_difference(stored, now), "");
  now["models"][0]["hash"] = "2";
  EXPECT_EQ(describe_difference(stored, now), "models[0].hash: \"1\" in the database, \"2\" now");
  now["models"][0]["name"] = "b";
  EXPECT_EQ(describe_difference(stored, now), "models[0].name: \"a\" in the database, \"b\" now")
      << "a hash says less than any other key";
  now = stored;
  now["models"].push_back("b");
  EXPECT_EQ(describe_difference(stored, now), "models[1]: nothing in the database, \"b\" now");
  now = stored;
  now.erase("seed");
  EXPECT_EQ(describe_difference(stored, now), "seed: 1 in the database, nothing now");
}

}  // namespace
}  // namespace flatenn::campaign
