#include "study/plan_arms.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "flatenn/base/error.h"
#include "flatenn/base/shell.h"

namespace flatenn::study {
namespace {

constexpr int64_t kDefaultEpochs = 15;                 ///< Of train::TrainConfig.
constexpr const char* kDefaultData = "fashion-mnist";  ///< The same.
constexpr const char* kWarmStart = "warm-start";

bool uses_rho(const Recipe& recipe) {
  return std::any_of(recipe.settings.begin(), recipe.settings.end(), [](const std::string& text) {
    return text == "optimizer.kind=sam" || text == "optimizer.kind=saq" ||
           text == "optimizer.kind=asaq";
  });
}

void append(std::vector<std::string>& settings, const std::vector<std::string>& more) {
  settings.insert(settings.end(), more.begin(), more.end());
}

Config base_config(const std::string& base) {
  return Config::from_string(training_toml(base), training_file(base));
}

int64_t base_epochs(const std::string& base) {
  return base_config(base).get_int("train.epochs", kDefaultEpochs);
}

std::vector<std::string> settings_for(const Definition& definition, const StudyOptions& options,
                                      const Arm& arm, int64_t epochs) {
  const Recipe& recipe = definition.recipes.at(arm.recipe);
  const auto arm_epochs = std::llround(recipe.epochs_factor * static_cast<double>(epochs));
  std::vector<std::string> settings = {"recipe=\"" + arm.recipe + "\"",
                                       "train.epochs=" + std::to_string(arm_epochs)};
  if (!options.data.empty()) settings.push_back("data.name=\"" + options.data + "\"");
  append(settings, definition.settings);
  append(settings, recipe.settings);
  append(settings, definition.activations.at(arm.activation).settings);
  return settings;
}

/// The radius has two keys, of which a training takes one: the last that is set.
std::vector<std::string> with_one_radius(std::vector<std::string> settings) {
  const std::string absolute = "sharpness.rho=", relative = "sharpness.rho_relative=";
  const std::string* last = nullptr;
  for (const std::string& setting : settings) {
    if (setting.starts_with(absolute)) last = &absolute;
    if (setting.starts_with(relative)) last = &relative;
  }
  if (last == nullptr) return settings;
  const std::string& other = last == &absolute ? relative : absolute;
  std::erase_if(settings, [&](const std::string& setting) { return setting.starts_with(other); });
  return settings;
}

/// A study of fewer or more epochs than its base's warms up for as large a share of them.
void scale_warm_up(Training& training, int64_t epochs) {
  const double warm_up = training_config(training).get_double("schedule.warmup_epochs", 0);
  const int64_t full = base_epochs(training.base);
  if (warm_up > 0 && epochs != full)
    training.settings.push_back(
        detail::concat("schedule.warmup_epochs=",
                       warm_up * static_cast<double>(epochs) / static_cast<double>(full)));
}

}  // namespace

std::vector<std::string> settings_of(const std::string& candidate) {
  std::istringstream words(candidate);
  std::vector<std::string> settings;
  for (std::string word; words >> word;) settings.push_back(word);
  return settings;
}

std::vector<Training> plan_trainings(const Definition& definition, const StudyOptions& options,
                                     const TunedSettings& tuned) {
  const std::vector<std::string>& names = options.arms.empty() ? definition.arms : options.arms;
  const int64_t seeds = options.seeds > 0 ? options.seeds : definition.seeds;
  const int64_t epochs = options.epochs > 0 ? options.epochs : base_epochs(definition.base);
  std::vector<Training> trainings;
  FLATENN_CHECK(options.first_seed <= seeds, "study: the first seed, ", options.first_seed,
                ", is beyond the last, ", seeds);
  for (int64_t seed = options.first_seed; seed <= seeds; ++seed) {
    for (const std::string& name : names) {
      FLATENN_CHECK(std::count(names.begin(), names.end(), name) == 1, "study ", definition.name,
                    ": arm '", name, "' stands twice");
      Training training{.name = name + "-seed" + std::to_string(seed),
                        .arm = definition.arm(name),
                        .seed = seed,
                        .base = definition.base};
      training.settings = {"name=\"" + training.name + "\"", "seed=" + std::to_string(seed)};
      append(training.settings, settings_for(definition, options, training.arm, epochs));
      const auto chosen = tuned.find(name);
      if (chosen != tuned.end()) append(training.settings, chosen->second);
      if (options.rho >= 0 && uses_rho(definition.recipes.at(training.arm.recipe)))
        training.settings.push_back(detail::concat("sharpness.rho=", options.rho));
      if (options.epochs > 0) scale_warm_up(training, options.epochs);
      append(training.settings, options.settings);
      if (!definition.warm_start.config.empty())
        start_from(training, plan_warm_start(definition, options, seed), warm_runs(options));
      trainings.push_back(std::move(training));
    }
  }
  return trainings;
}

Training plan_warm_start(const Definition& definition, const StudyOptions& options, int64_t seed) {
  const WarmStart& warm_start = definition.warm_start;
  Training training{.name = kWarmStart + ("-seed" + std::to_string(seed)),
                    .seed = seed,
                    .base = warm_start.config};
  training.settings = {"name=\"" + training.name + "\"",
                       detail::concat("recipe=\"", kWarmStart, "\""),
                       "seed=" + std::to_string(seed)};
  if (options.warm_epochs > 0)
    training.settings.push_back("train.epochs=" + std::to_string(options.warm_epochs));
  if (!options.data.empty()) training.settings.push_back("data.name=\"" + options.data + "\"");
  append(training.settings, warm_start.settings);
  append(training.settings, options.warm_settings);
  return training;
}

std::filesystem::path warm_runs(const StudyOptions& options) {
  return options.warm_runs.empty() ? options.out / "runs" : options.warm_runs;
}

void start_from(Training& training, const Training& warm_start,
                const std::filesystem::path& folder) {
  training.warm_start = std::make_shared<const Training>(warm_start);
  training.warm_folder = folder / warm_start.name;
  // A JSON string is a TOML string, too.
  training.settings.push_back("warm_start.run=" +
                              nlohmann::json(training.warm_folder.string()).dump());
}

Config training_config(const Training& training) {
  Config config = base_config(training.base);
  for (const std::string& setting : with_one_radius(training.settings)) config.set(setting);
  return config;
}

std::string dataset_of(const Training& training) {
  return training_config(training).get_string("data.name", kDefaultData);
}

std::string training_command(const Training& training, const StudyOptions& options,
                             const std::filesystem::path& folder) {
  std::string command = "flatenn train " + training_file(training.base);
  if (options.device != "cpu") command += " --device " + options.device;
  if (options.deterministic) command += " --deterministic";
  for (const std::string& setting : with_one_radius(training.settings))
    command += " --set " + shell_word(setting);
  return command + " --out " + shell_word(folder.string());
}

}  // namespace flatenn::study
