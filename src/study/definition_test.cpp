#include "flatenn/study/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "flatenn/base/error.h"
#include "flatenn/study/study.h"
#include "flatenn/train/config.h"
#include "study/plan_arms.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

Definition brought(const std::string& name) {
  Config config = Config::from_string(definition_toml(name), name);
  return read_definition(config, name);
}

template <typename Body>
std::string message_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Definition, EveryStudyBroughtTrainsEveryArm) {
  for (const std::string& name : definition_names()) {
    const Definition definition = brought(name);
    for (const Training& training : plan_trainings(definition, {}, {})) {
      Config config = training_config(training);
      const train::TrainConfig train = train::read_train_config(config);
      EXPECT_EQ(train.sparse(), training.arm.activation == "sparse") << training.name;
      EXPECT_EQ(train.name, training.name);
    }
  }
}

TEST(Definition, EveryTuningCandidateIsAValidSetting) {
  for (const std::string& name : definition_names()) {
    const Definition definition = brought(name);
    std::set<size_t> counts;
    for (const auto& [recipe, candidates] : definition.tuning.candidates) {
      counts.insert(candidates.size());
      for (const std::string& candidate : candidates) {
        StudyOptions options;
        options.arms = {recipe + "-standard"};
        Training training = plan_trainings(definition, options, {}).at(0);
        for (const std::string& setting : settings_of(candidate))
          training.settings.push_back(setting);
        Config config = training_config(training);
        EXPECT_NO_THROW(train::read_train_config(config)) << candidate;
      }
    }
    EXPECT_EQ(counts.size(), 1u) << "every recipe gets as many tries";
  }
}

/// The search that is a file alone, whose arms are all searched, in both encodings.
TEST(Definition, TheSearchForARobustRecipeHasValidSettings) {
  Config file = Config::from_file(FLATENN_CONFIGS "/robust-search-resnet18.toml");
  const Definition definition = read_definition(file, "robust");
  EXPECT_THAT(definition.tuning.encodings, ElementsAre("twos_complement", "offset_binary"));
  for (const Training& training : plan_trainings(definition, {}, {})) {
    const auto candidates = definition.tuning.candidates.find(training.arm.recipe);
    ASSERT_NE(candidates, definition.tuning.candidates.end()) << training.arm.recipe;
    for (const std::string& candidate : candidates->second) {
      Training one = training;
      for (const std::string& setting : settings_of(candidate)) one.settings.push_back(setting);
      Config config = training_config(one);
      EXPECT_NO_THROW(train::read_train_config(config)) << candidate;
    }
  }
}

TEST(Definition, EveryRecipeIsTriedAtTheSameLearningRates) {
  for (const std::string& name : definition_names()) {
    std::set<std::multiset<double>> rates;
    for (const auto& [recipe, candidates] : brought(name).tuning.candidates) {
      std::multiset<double> of_recipe;
      for (const std::string& candidate : candidates) {
        Config config = Config::from_string("", recipe);
        for (const std::string& setting : settings_of(candidate)) config.set(setting);
        of_recipe.insert(config.get_double("optimizer.learning_rate", 0));
      }
      rates.insert(of_recipe);
    }
    EXPECT_THAT(rates, SizeIs(1)) << name;
  }
}

TEST(Definition, NamesWhatIsWrongInTheCandidatesOfATuning) {
  const auto message = [](const std::string& candidates) {
    return message_of([&] {
      Config config = Config::from_string(
          "[campaign]\ntrials = 2\n[recipes]\na = {set = [\"x=0\"]}\nb = {set = [\"x=0\"]}\n"
          "[tune.candidates]\n" +
              candidates,
          "x.toml");
      read_definition(config, "x");
    });
  };
  EXPECT_EQ(message("a = [\"x=1\", \"x=2 y=1\"]\nb = [\"x=1\", \"x=2\"]\n"), "no error");
  EXPECT_EQ(message("a = [\"x=1\", \"x=2 y=1\"]\nb = [\"x=1\"]\n"),
            "x.toml:8: tune.candidates.b: has 1, a has 2; recipes are compared after equally many "
            "tries");
  EXPECT_EQ(message("a = [\"x=1 y\"]\n"),
            "x.toml:7: tune.candidates.a: expected \"key=value\", or several with spaces between "
            "them, got \"x=1 y\"");
  EXPECT_THAT(message("a = [\" \"]\n"), HasSubstr("expected \"key=value\""));
  EXPECT_THAT(message("c = [\"x=1\"]\n"), HasSubstr("there is no such recipe"));
}

TEST(PlanTrainings, PutsWholeSeedsFirstAndTwiceTheEpochsWhereSaid) {
  const Definition definition = brought("lenet5");
  StudyOptions options;
  options.seeds = 2;
  options.epochs = 4;
  options.arms = {"sgd-standard", "sgd-2x-sparse"};
  const auto trainings = plan_trainings(definition, options, {});
  std::vector<std::string> names;
  for (const Training& training : trainings) names.push_back(training.name);
  EXPECT_EQ(names, (std::vector<std::string>{"sgd-standard-seed1", "sgd-2x-sparse-seed1",
                                             "sgd-standard-seed2", "sgd-2x-sparse-seed2"}));
  EXPECT_THAT(trainings[0].settings, Contains("train.epochs=4"));
  EXPECT_THAT(trainings[1].settings, Contains("train.epochs=8"));
}

TEST(PlanTrainings, WarmUpForTheSameShareOfAnyNumberOfEpochs) {
  for (const std::string& name : definition_names()) {
    const Definition definition = brought(name);
    const auto warm_ups = [&](const StudyOptions& options) {
      std::vector<double> epochs;
      for (const Training& training : plan_trainings(definition, options, {})) {
        Config config = training_config(training);
        epochs.push_back(train::read_train_config(config).schedule.warmup_epochs);
      }
      return epochs;
    };
    const std::vector<double> whole = warm_ups({});
    Config base = Config::from_string(training_toml(definition.base), "base.toml");
    const auto full = static_cast<double>(train::read_train_config(base).epochs);
    for (const int64_t epochs : {1, 2, 7, 60}) {
      const std::vector<double> scaled = warm_ups({.epochs = epochs});
      ASSERT_EQ(scaled.size(), whole.size());
      for (size_t i = 0; i < whole.size(); ++i)
        EXPECT_NEAR(scaled[i], whole[i] * static_cast<double>(epochs) / full, 1e-6) << name;
    }
    EXPECT_THAT(warm_ups({.epochs = 3, .settings = {"schedule.warmup_epochs=0.25"}}),
                ::testing::Each(0.25));
  }
}

TEST(PlanTrainings, UseTheSettingsThatTuningChoseUnlessRhoIsGiven) {
  const Definition definition = brought("lenet5");
  StudyOptions options;
  options.arms = {"saq-standard", "sgd-standard"};
  const TunedSettings tuned = {{"saq-standard", {"sharpness.rho=0.4"}}};
  const auto rho = [&] {
    const Training training = plan_trainings(definition, options, tuned).at(0);
    Config config = training_config(training);
    return train::read_train_config(config).sharpness.rho;
  };
  EXPECT_EQ(rho(), 0.4);
  options.rho = 0.7;
  EXPECT_EQ(rho(), 0.7);
  EXPECT_THAT(plan_trainings(definition, options, tuned).at(1).settings,
              Not(Contains("sharpness.rho=0.7")));
}

/// The words that a shell makes of a command, its first left out.
std::vector<std::string> shell_words(const std::string& command) {
  FILE* shell = popen(("words() { shift; printf '%s\\n' \"$@\"; }; words " + command).c_str(), "r");
  std::string text;
  std::array<char, 256> part{};
  while (fgets(part.data(), part.size(), shell) != nullptr) text += part.data();
  EXPECT_EQ(pclose(shell), 0);
  std::istringstream lines(text);
  std::vector<std::string> words;
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  return words;
}

TEST(TrainingCommand, SaysTheSameSettingsToAShell) {
  const Definition definition = brought("resnet18");
  for (const char* out : {"R", "my study", "it's $HOME/\"one\" \\ two"}) {
    const StudyOptions options{.out = out, .device = "cuda"};
    const Training training = plan_trainings(definition, options, {}).at(0);
    const fs::path folder = fs::path(out) / "runs" / training.name;
    const std::vector<std::string> words = shell_words(training_command(training, options, folder));
    ASSERT_GT(words.size(), 6u);
    EXPECT_EQ(words[0], "train");
    EXPECT_EQ(words[1], "configs/cifar10-resnet18-w4a4-sgd-standard.toml");
    EXPECT_EQ(words.back(), folder.string());
    Config config = Config::from_string(training_toml(training.base), "base.toml");
    for (size_t i = 0; i + 1 < words.size(); ++i)
      if (words[i] == "--set") config.set(words[i + 1]);
    EXPECT_EQ(config.resolved(), training_config(training).resolved());
    EXPECT_EQ(train::read_train_config(config).warm_start,
              (fs::path(out) / "runs" / "warm-start-seed1").string());
  }
}

TEST(PlanTrainings, StartsAllArmsOfASeedFromOneNetwork) {
  const Definition definition = brought("resnet18");
  StudyOptions options{.out = "out", .warm_epochs = 5, .seeds = 2};
  options.arms = {"sgd-standard", "saq-sparse"};
  const auto trainings = plan_trainings(definition, options, {});
  ASSERT_EQ(trainings.size(), 4u);
  EXPECT_EQ(trainings[0].warm_start->name, "warm-start-seed1");
  EXPECT_EQ(trainings[1].warm_start->settings, trainings[0].warm_start->settings);
  EXPECT_EQ(trainings[2].warm_start->name, "warm-start-seed2");
  Config arm = training_config(trainings[0]);
  EXPECT_EQ(train::read_train_config(arm).warm_start, "out/runs/warm-start-seed1");
  Config start = training_config(*trainings[2].warm_start);
  const train::TrainConfig config = train::read_train_config(start);
  EXPECT_FALSE(config.model.quant.enabled);
  EXPECT_EQ(config.seed, 2u);
  EXPECT_EQ(config.epochs, 5);
}

TEST(Definition, HasABriefAnalysisWithoutHessianAndAFullOne) {
  for (const std::string& name : definition_names()) {
    const AnalysisLevels levels = brought(name).analysis;
    ASSERT_THAT(levels, SizeIs(2)) << name;
    EXPECT_EQ(levels.at("brief").sharpness.eigenvalues, 0);
    EXPECT_EQ(levels.at("brief").landscape.plane_points, 0);
    EXPECT_GT(levels.at("full").sharpness.eigenvalues, 0);
    EXPECT_GT(levels.at("full").sensitivity.trials, 0);
    EXPECT_GT(levels.at("full").landscape.plane_points, 0);
  }
}

TEST(Definition, NamesWhatIsWrongInAnAnalysis) {
  const auto message = [](const std::string& line) {
    return message_of([&] {
      Config config = Config::from_string("[analysis.brief]\n" + line + "\n", "x.toml");
      read_analysis_levels(config);
      config.check_all_read();
    });
  };
  EXPECT_THAT(message("landscape = {line_points = 4}"),
              HasSubstr("x.toml:2: analysis.brief.landscape.line_points: expected 0, or odd"));
  EXPECT_THAT(message("sharpness = {rho = [0.0]}"), HasSubstr("analysis.brief.sharpness.rho"));
  EXPECT_THAT(message("sharpness = {noise = -1}"), HasSubstr("analysis.brief.sharpness.noise"));
  EXPECT_THAT(message("cost = {hardwares = []}"),
              HasSubstr("did you mean 'analysis.brief.cost.hardware'"));
  EXPECT_EQ(message("sharpness = {}"), "no error");
}

TEST(Definition, NamesWhatIsWrong) {
  const Definition definition = brought("lenet5");
  EXPECT_THAT(message_of([&] { definition.arm("sqd-standard"); }),
              HasSubstr("arm 'sqd-standard': expected RECIPE-ACTIVATION, recipes sam, saq, sgd"));
  StudyOptions twice;
  twice.arms = {"sgd-standard", "sgd-standard"};
  EXPECT_THAT(message_of([&] { plan_trainings(definition, twice, {}); }),
              HasSubstr("'sgd-standard' stands twice"));
  EXPECT_THAT(message_of([] { definition_toml("lenet"); }), HasSubstr("expected one of lenet5"));
  const auto error_in = [](const std::string& toml) {
    return message_of([&] {
      Config config = Config::from_string(toml, "x.toml");
      read_definition(config, "x");
    });
  };
  EXPECT_THAT(error_in("[encodings]\nnames=[\"grey\"]\n"),
              HasSubstr("x.toml:2: encodings.names: "));
  EXPECT_THAT(error_in("[warm_start]\nset=[\"train.epochs=1\"]\n"),
              HasSubstr("x.toml:2: warm_start.set: needs a warm_start.config"));
  EXPECT_THAT(message_of([] {
                Config config = Config::from_string(
                    "[campaign]\nkinds=[\"bit_flip\"]\nrates=[0.1]\ntrials=5\n"
                    "[claims]\nkinds=[\"bit_flip\"]\nrates=[0.2]\n",
                    "x.toml");
                read_definition(config, "x");
              }),
              HasSubstr("x.toml:7: claims.rates: 0.2 is not among campaign.rates"));
}

}  // namespace
}  // namespace flatenn::study
