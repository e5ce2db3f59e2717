#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/base/config.h"
#include "flatenn/study/study.h"

namespace flatenn::study {

/// Settings chosen by tuning, by arm name.
using TunedSettings = std::map<std::string, std::vector<std::string>>;

/// The settings of a candidate: "a=1 b=2" sets two keys.
std::vector<std::string> settings_of(const std::string& candidate);

/// One network to train.
struct Training {
  std::string name;  ///< "saq-sparse-seed1": also its folder.
  Arm arm;
  int64_t seed = 1;
  std::string base;                            ///< Training configuration, see training_toml().
  std::vector<std::string> settings;           ///< On top of the base, in order.
  std::shared_ptr<const Training> warm_start;  ///< What it starts from; null: a random start.
  std::filesystem::path warm_folder;           ///< Run folder of that.
  /// A finished training of fewer epochs in its folder goes on from there.
  bool goes_on = false;
};

/// All arms for seed 1, then for seed 2, ...: a study that is cut short has whole seeds.
/// Throws Error for an arm that does not exist or stands twice.
std::vector<Training> plan_trainings(const Definition& definition, const StudyOptions& options,
                                     const TunedSettings& tuned);
/// The network that the arms of a seed start from. Its arm has no name.
Training plan_warm_start(const Definition& definition, const StudyOptions& options, int64_t seed);
/// Where the study keeps the networks that seeds start from.
std::filesystem::path warm_runs(const StudyOptions& options);
/// Makes `training` start from `warm_start`, whose run folder stands in `folder`.
void start_from(Training& training, const Training& warm_start,
                const std::filesystem::path& folder);

/// The base configuration with a training's settings.
Config training_config(const Training& training);
/// The data set of a training.
std::string dataset_of(const Training& training);
/// The command that does the same training.
std::string training_command(const Training& training, const StudyOptions& options,
                             const std::filesystem::path& folder);

}  // namespace flatenn::study
