#include "study/plan_arms.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::study {
namespace {

constexpr int64_t kDefaultEpochs = 15;  ///< Of train::TrainConfig.

bool uses_rho(const Recipe& recipe) {
  return std::any_of(recipe.settings.begin(), recipe.settings.end(), [](const std::string& text) {
    return text == "optimizer.kind=sam" || text == "optimizer.kind=saq" ||
           text == "optimizer.kind=asaq";
  });
}

void append(std::vector<std::string>& settings, const std::vector<std::string>& more) {
  settings.insert(settings.end(), more.begin(), more.end());
}

int64_t base_epochs(const Definition& definition, const StudyOptions& options) {
  if (options.epochs > 0) return options.epochs;
  Config base = Config::from_string(training_toml(definition.base), definition.base + ".toml");
  return base.get_int("train.epochs", kDefaultEpochs);
}

std::vector<std::string> settings_for(const Definition& definition, const StudyOptions& options,
                                      const Arm& arm, int64_t epochs) {
  const Recipe& recipe = definition.recipes.at(arm.recipe);
  const auto arm_epochs = std::llround(recipe.epochs_factor * static_cast<double>(epochs));
  std::vector<std::string> settings = {"recipe=\"" + arm.recipe + "\"",
                                       "train.epochs=" + std::to_string(arm_epochs)};
  if (!options.data.empty()) settings.push_back("data.name=\"" + options.data + "\"");
  append(settings, recipe.settings);
  append(settings, definition.activations.at(arm.activation).settings);
  return settings;
}

std::string quoted(const std::string& text) {
  const bool plain = text.find_first_of(" \"'[]$&;()<>|*?\\") == std::string::npos;
  return plain ? text : "'" + text + "'";
}

}  // namespace

std::vector<Training> plan_trainings(const Definition& definition, const StudyOptions& options,
                                     const TunedSettings& tuned) {
  const std::vector<std::string>& names = options.arms.empty() ? definition.arms : options.arms;
  const int64_t seeds = options.seeds > 0 ? options.seeds : definition.seeds;
  const int64_t epochs = base_epochs(definition, options);
  std::vector<Training> trainings;
  for (int64_t seed = 1; seed <= seeds; ++seed) {
    for (const std::string& name : names) {
      FLATENN_CHECK(std::count(names.begin(), names.end(), name) == 1, "study ", definition.name,
                    ": arm '", name, "' stands twice");
      Training training{
          .name = name + "-seed" + std::to_string(seed), .arm = definition.arm(name), .seed = seed};
      training.settings = {"name=\"" + training.name + "\"", "seed=" + std::to_string(seed)};
      append(training.settings, settings_for(definition, options, training.arm, epochs));
      const auto chosen = tuned.find(name);
      if (chosen != tuned.end()) append(training.settings, chosen->second);
      if (options.rho >= 0 && uses_rho(definition.recipes.at(training.arm.recipe)))
        training.settings.push_back(detail::concat("sharpness.rho=", options.rho));
      append(training.settings, options.settings);
      trainings.push_back(std::move(training));
    }
  }
  return trainings;
}

Config training_config(const Definition& definition, const Training& training) {
  Config config = Config::from_string(training_toml(definition.base), definition.base + ".toml");
  for (const std::string& setting : training.settings) config.set(setting);
  return config;
}

std::string training_command(const Definition& definition, const Training& training,
                             const std::filesystem::path& folder) {
  std::string command = "flatenn train configs/" + definition.base + ".toml";
  for (const std::string& setting : training.settings) command += " --set " + quoted(setting);
  return command + " --out " + quoted(folder.string());
}

}  // namespace flatenn::study
