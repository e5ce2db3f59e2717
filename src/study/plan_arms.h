#pragma once

#include <map>
#include <string>
#include <vector>

#include "flatenn/base/config.h"
#include "flatenn/study/study.h"

namespace flatenn::study {

/// Settings chosen by tuning, by arm name.
using TunedSettings = std::map<std::string, std::vector<std::string>>;

/// One network to train.
struct Training {
  std::string name;  ///< "saq-sparse-seed1": also its folder.
  Arm arm;
  int64_t seed = 1;
  std::vector<std::string> settings;  ///< On top of the base, in order.
};

/// All arms for seed 1, then for seed 2, ...: a study that is cut short has whole seeds.
/// Throws Error for an arm that does not exist or stands twice.
std::vector<Training> plan_trainings(const Definition& definition, const StudyOptions& options,
                                     const TunedSettings& tuned);
/// The base configuration with a training's settings.
Config training_config(const Definition& definition, const Training& training);
/// The command that does the same training.
std::string training_command(const Definition& definition, const Training& training,
                             const std::filesystem::path& folder);

}  // namespace flatenn::study
