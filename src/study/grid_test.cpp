#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/error.h"
#include "flatenn/study/regimes.h"
#include "flatenn/train/config.h"
#include "study/grid_cells.h"
#include "study/plan_arms.h"

namespace flatenn::study {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kGrid =
    "[grid]\nnetworks = [\"n\"]\nbits = [\"w4a4\", \"w8a8\"]\nfirst_last = [\"8\", \"all\"]\n"
    "quantizers = [\"tied\", \"liq\"]\nsparsity = [\"none\", \"75\"]\nrecipes = [\"sgd\", "
    "\"saq\"]\n"
    "encodings = [\"twos_complement\", \"gray\"]\nkinds = [\"bit_flip\"]\nrates = [0.01, 0.05]\n"
    "[networks.n]\nbase = \"lenet5-fashion-mnist-sgd-standard\"\n"
    "sparse_set = [\"sparsity.penalty=l1\"]\n"
    "[recipes.sgd]\nset = [\"optimizer.kind=sgd\"]\n"
    "[recipes.saq]\nset = [\"optimizer.kind=saq\"]\n"
    "[campaign]\ntrials = 3\n"
    "[comparisons.gain]\nbetter = \"saq-*\"\nworse = \"sgd-*\"\n"
    "claim = {bits = [\"w4a4\"], rates = [0.05]}\n";

Grid grid_of(const std::string& toml) {
  Config config = Config::from_string(toml, "g.toml");
  return read_grid(config, "g");
}

/// kGrid with one line's text replaced.
std::string with(const std::string& before, const std::string& after) {
  std::string toml = kGrid;
  const size_t at = toml.find(before);
  EXPECT_NE(at, std::string::npos) << before;
  return toml.replace(at, before.size(), after);
}

std::string message_of(const std::string& toml) {
  try {
    grid_of(toml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Grid, LeavesOutCombinationsThatDoNotExistWithTheReason) {
  std::vector<MissingRegime> missing;
  std::vector<std::string> names;
  for (const Regime& regime : regimes_of(grid_of(kGrid), missing)) names.push_back(regime.name);
  EXPECT_THAT(names, ElementsAre("n-w4a4-first8-tied", "n-w4a4-all-alike-tied",
                                 "n-w4a4-all-alike-liq", "n-w8a8-all-alike-tied"));
  std::map<std::string, std::string> reasons;
  for (const MissingRegime& regime : missing) reasons[regime.name] = regime.reason;
  EXPECT_EQ(reasons, (std::map<std::string, std::string>{
                         {"n-w4a4-first8-liq", "liq has 2 to 7 bits, no 8"},
                         {"n-w8a8-first8-liq", "liq has 2 to 7 bits, no 8"},
                         {"n-w8a8-all-alike-liq", "liq has 2 to 7 bits, no 8"},
                         {"n-w8a8-first8-tied", "first and last layer are as all"}}));
}

TEST(Grid, TrainsEveryArmWithTheRegimesOwnSettings) {
  const Grid grid = grid_of(kGrid);
  std::vector<MissingRegime> missing;
  for (const Regime& regime : regimes_of(grid, missing)) {
    const auto trainings = plan_trainings(definition_of(grid, regime), {}, {});
    ASSERT_EQ(trainings.size(), 4u);
    for (const Training& training : trainings) {
      Config config = training_config(training);
      const train::TrainConfig train = train::read_train_config(config);
      EXPECT_EQ(nn::to_string(train.model.quant.quantizer), regime.quantizer);
      EXPECT_EQ(train.model.quant.weight_bits, regime.bits == "w4a4" ? 4 : 8);
      EXPECT_EQ(train.model.quant.first_last_bits, regime.first_last == "all" ? 0 : 8);
      EXPECT_EQ(train.sparse(), training.arm.activation == "sparse75");
    }
  }
}

TEST(Grid, EveryGridBroughtPlansEveryRegime) {
  for (const std::string& name : grid_names()) {
    Config config = Config::from_string(grid_toml(name), name);
    ASSERT_TRUE(has_grid(config));
    const Grid grid = read_grid(config, name);
    std::vector<MissingRegime> missing;
    for (const Regime& regime : regimes_of(grid, missing)) {
      for (const Training& training : plan_trainings(definition_of(grid, regime), {}, {})) {
        Config settings = training_config(training);
        EXPECT_NO_THROW(train::read_train_config(settings)) << name << " " << training.name;
      }
    }
    EXPECT_EQ(missing.size(), 1u) << name << ": liq with a first layer of 8 bits";
  }
}

TEST(Grid, NamesWhatIsWrong) {
  EXPECT_EQ(message_of(kGrid), "no error");
  for (const char* axis : {"networks", "bits", "first_last", "quantizers", "sparsity", "recipes",
                           "encodings", "kinds"}) {
    std::string toml = kGrid;
    const size_t line = toml.find(std::string(axis) + " = [");
    toml.replace(line, toml.find('\n', line) - line, std::string(axis) + " = []");
    EXPECT_THAT(message_of(toml), HasSubstr("g.toml:")) << axis;
    EXPECT_THAT(message_of(toml), HasSubstr(": grid." + std::string(axis) + ": is an empty axis"));
  }
  EXPECT_EQ(message_of(with("rates = [0.01, 0.05]", "rates = []")),
            "g.toml:10: grid.rates: must not be empty");
  EXPECT_THAT(message_of(with("\"w8a8\"", "\"w9a9\"")),
              HasSubstr("g.toml:3: grid.bits: expected 'w4a4' and the like, got 'w9a9'"));
  EXPECT_THAT(message_of(with("\"w8a8\"", "\"w4a4\"")), HasSubstr("'w4a4' stands twice"));
  EXPECT_THAT(message_of(with("\"75\"", "\"175\"")), HasSubstr("grid.sparsity: expected 'none'"));
  EXPECT_THAT(message_of(with("\"saq\"]", "\"sqa\"]")), HasSubstr("there is no [recipes.sqa]"));
  EXPECT_THAT(message_of(with("\"gray\"", "\"grey\"")), HasSubstr("g.toml:8: grid.encodings: "));
  EXPECT_THAT(message_of(with("better = \"saq-*\"", "better = \"sam-*\"")),
              HasSubstr("no two arms are 'sam-*' and 'sgd-*'; arms are sgd-standard"));
  EXPECT_THAT(message_of(with("rates = [0.05]}", "rates = [0.02]}")),
              HasSubstr("'0.02' is not on the axis grid.rates"));
  EXPECT_THAT(message_of(with("base = ", "bases = ")), HasSubstr("has no table [networks.n]"));
}

TEST(GridComparison, StarsOnBothSidesStandForOneValue) {
  const Grid grid = grid_of(kGrid);
  const auto pairs = [&](const std::string& better, const std::string& worse) {
    std::vector<std::string> names;
    for (const ArmPair& pair : compared_arms(grid, {.better = better, .worse = worse}))
      names.push_back(pair.better.name() + " " + pair.worse.name());
    return names;
  };
  EXPECT_THAT(pairs("saq-*", "sgd-*"),
              ElementsAre("saq-standard sgd-standard", "saq-sparse75 sgd-sparse75"));
  EXPECT_THAT(pairs("*-sparse75", "*-standard"),
              ElementsAre("sgd-sparse75 sgd-standard", "saq-sparse75 saq-standard"));
  EXPECT_THAT(pairs("saq-sparse75", "sgd-standard"), ElementsAre("saq-sparse75 sgd-standard"));
}

TEST(GridComparison, ClaimsTheCellsOfItsFilterAlone) {
  const GridComparison comparison = grid_of(kGrid).comparisons.at(0);
  EXPECT_TRUE(is_claimed(comparison, {{"bits", "w4a4"}, {"kinds", "bit_flip"}, {"rates", "0.05"}}));
  EXPECT_FALSE(is_claimed(comparison, {{"bits", "w8a8"}, {"rates", "0.05"}}));
  EXPECT_FALSE(is_claimed(comparison, {{"bits", "w4a4"}, {"rates", "0.01"}}));
  EXPECT_FALSE(is_claimed({.id = "x"}, {{"bits", "w4a4"}}));
}

}  // namespace
}  // namespace flatenn::study
