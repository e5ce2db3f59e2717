#include "flatenn/train/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "train/checkpoint_file.h"
#include "train/run_testing.h"

namespace flatenn::train {
namespace {

using ::testing::HasSubstr;

TrainConfig read(const std::string& toml) {
  Config config = Config::from_string(toml, "a.toml");
  return read_train_config(config);
}

std::string error_in(const std::string& toml) {
  return testing::error_of([&] { read(toml); });
}

TEST(TrainConfig, AnEmptyFileGivesTheDefaults) {
  const TrainConfig config = read("");
  EXPECT_EQ(config.epochs, 15);
  EXPECT_EQ(config.model.quant.first_last_bits, 8);
  EXPECT_EQ(config.model.architecture, "lenet5");
  EXPECT_FALSE(config.sparse());
}

TEST(TrainConfig, TheSeedAlsoDecidesTheInitialWeights) {
  EXPECT_EQ(read("seed = 7").model.seed, 7U);
}

TEST(TrainConfig, ARecipeIsCalledByWhatItHas) {
  EXPECT_EQ(read("").recipe, "sgd");
  EXPECT_EQ(read("[optimizer]\nkind = \"saq\"\n[randbet]\nrate = 0.01").recipe, "saq+randbet");
  EXPECT_EQ(
      read("[weight_range]\nlimit = 1\npenalty = 1\ncode_rms = 0.5\n[noise]\nactivations = 1\n"
           "[defects]\nfile = \"chip.csv\"")
          .recipe,
      "sgd+defects+limit+range+code-rms+noise");
  EXPECT_EQ(read("recipe = \"mine\"\nrandbet.rate = 0.1").recipe, "mine");
}

TEST(TrainConfig, ReadsBitsOfSingleLayers) {
  const TrainConfig config =
      read("[layers.conv1]\nweight_bits = 8\n[layers.fc3]\nactivation_bits = 2\n");
  EXPECT_EQ(config.model.quant.layer_weight_bits.at("conv1"), 8);
  EXPECT_EQ(config.model.quant.layer_activation_bits.at("fc3"), 2);
  EXPECT_FALSE(config.model.quant.layer_activation_bits.contains("conv1"));
}

TEST(TrainConfig, AMisspeltKeyIsNamedWithItsLineAndTheNearestKey) {
  const std::string error = error_in("[train]\nepochs = 3\nbatchsize = 64\n");
  EXPECT_THAT(error, HasSubstr("a.toml:3"));
  EXPECT_THAT(error, HasSubstr("train.batchsize"));
  EXPECT_THAT(error, HasSubstr("train.batch_size"));
}

TEST(TrainConfig, BadValuesAreNamedWithLineKeyAndRange) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[quant]\nweight_bits = 1", "a.toml:2: quant.weight_bits: must be in [2, 8], got 1"},
      {"[quant]\nactivation_bits = 9", "quant.activation_bits: must be in [2, 8], got 9"},
      {"[quant]\nfirst_last_bits = 1", "quant.first_last_bits"},
      {"[quant]\nquantizer = \"lsp\"", "quant.quantizer: must be one of lsq, tied, liq"},
      {"[train]\nepochs = \"many\"", "a.toml:2: train.epochs: expected an integer"},
      {"[train]\nepochs = 0", "train.epochs"},
      {"[train]\nbatch_size = 100\naccumulate = 3", "a.toml:3: train.accumulate: must divide"},
      {"[train]\nepochs = 2\n[schedule]\nwarmup_epochs = 2", "schedule.warmup_epochs"},
      {"[schedule]\nkind = \"step\"", "schedule.at_epochs"},
      {"[sparsity]\ntarget = 0.85", "sparsity.target: needs a penalty"},
      {"[sparsity]\ngrouping = \"rows\"", "sparsity.grouping: must be one of layers, channels"},
      {"[sparsity]\npenalty = \"l1\"\ntarget = 1.5", "sparsity.target: must be in [0, 0.999]"},
      {"[sharpness]\nrho = -0.1", "sharpness.rho"},
      {"[optimizer]\nkind = \"sag\"", "optimizer.kind: must be one of sgd, sam, saq, asaq"},
      {"[freeze]\nencoding = \"grey\"", "freeze.encoding"},
      {"[data]\nname = \"imagenet\"", "data.name"},
  };
  for (const auto& [toml, message] : cases) EXPECT_THAT(error_in(toml), HasSubstr(message)) << toml;
}

TEST(TrainConfig, ResolvedKeysGiveTheSameConfigurationAgain) {
  Config config = Config::from_string(
      "seed = 3\n[optimizer]\nkind = \"saq\"\nepsilon = 1e-9\n[layers.conv1]\nweight_bits = 8\n"
      "[schedule]\nkind = \"step\"\nat_epochs = [2, 4]\n[model]\nhidden = [12]\n",
      "a.toml");
  read_train_config(config);
  Config again = config_from_json(config.resolved(), "run");
  const TrainConfig copy = read_train_config(again);
  EXPECT_EQ(again.resolved(), config.resolved());
  EXPECT_EQ(copy.sharpness.method, SharpnessMethod::kSaq);
  EXPECT_EQ(copy.model.quant.layer_weight_bits.at("conv1"), 8);
}

TEST(TrainConfig, TheRadiusIsAbsoluteOrRelativeAndRecordedAsGiven) {
  Config config = Config::from_string("[sharpness]\nrho_relative = 0.02\n", "a.toml");
  EXPECT_EQ(read_train_config(config).sharpness.rho_relative, 0.02);
  EXPECT_EQ(config.resolved()["sharpness"]["rho_relative"], 0.02);
  EXPECT_FALSE(config.resolved()["sharpness"].contains("rho"));
  Config both = Config::from_string("[sharpness]\nrho = 0.1\nrho_relative = 0.02\n", "a.toml");
  EXPECT_THAT(testing::error_of([&] { read_train_config(both); }),
              HasSubstr("sharpness.rho_relative: cannot stand beside sharpness.rho"));
  Config zero = Config::from_string("[sharpness]\nrho_relative = 0\n", "a.toml");
  EXPECT_THAT(testing::error_of([&] { read_train_config(zero); }),
              HasSubstr("sharpness.rho_relative"));
  Config absolute = Config::from_string("[sharpness]\nrho = 0.3\n", "a.toml");
  read_train_config(absolute);
  EXPECT_THAT(config_difference(absolute.resolved(), config.resolved()),
              HasSubstr("0.3 before, not set now"));
}

TEST(TrainConfig, TheExampleListsEveryKey) {
  Config example = Config::from_file(FLATENN_CONFIGS "/lenet5-fashion-mnist.toml");
  read_train_config(example);
  Config empty = Config::from_string("", "empty");
  read_train_config(empty);
  const nlohmann::json all = empty.resolved();
  for (const auto& [table, keys] : all.items()) {
    if (!keys.is_object()) continue;
    for (const auto& [key, value] : keys.items()) {
      const std::string path = table + "." + key;
      EXPECT_TRUE(example.has(path) || path == "schedule.at_epochs") << path;
    }
  }
}

TEST(ConfigDifference, TakesAKeyThatAnOlderVersionDidNotKnowAsNeutral) {
  const nlohmann::json before = {{"train", {{"epochs", 3}}}};
  nlohmann::json now = before;
  now["train"]["label_smoothing"] = 0.0;
  now["augment"]["flip"] = false;
  EXPECT_EQ(config_difference(before, now), "");
  now["train"]["label_smoothing"] = 0.1;
  EXPECT_EQ(config_difference(before, now), "train.label_smoothing: not set before, 0.1 now");
  EXPECT_EQ(config_difference(now, before), "train.label_smoothing: 0.1 before, not set now");
}

/// Such a key may have a default that is not zero: a run of an older version resumes under it.
TEST(ConfigDifference, TakesTheDefaultOfANewKeyAsNeutral) {
  Config empty = Config::from_string("", "a.toml");
  read_train_config(empty);
  const nlohmann::json now = empty.resolved();
  for (const auto& [table, keys] : now.items()) {
    nlohmann::json before = now;
    before.erase(table);
    EXPECT_EQ(config_difference(before, now), "") << table;
  }
  nlohmann::json other = now;
  other["sharpness"]["every"] = 4;
  nlohmann::json before = now;
  before["sharpness"].erase("every");
  EXPECT_EQ(config_difference(before, other), "sharpness.every: not set before, 4 now");
}

TEST(ConfigDifference, NamesTheFirstKeyThatChangesTheTraining) {
  const nlohmann::json before = {{"train", {{"batch_size", 32}, {"epochs", 3}, {"threads", 1}}},
                                 {"name", "a"}};
  nlohmann::json now = before;
  now["train"]["threads"] = 2;
  now["train"]["epochs"] = 4;
  now["name"] = "b";
  EXPECT_EQ(config_difference(before, now), "");
  now["train"]["batch_size"] = 64;
  EXPECT_EQ(config_difference(before, now), "train.batch_size: 32 before, 64 now");
}

}  // namespace
}  // namespace flatenn::train
