#pragma once

#include <nlohmann/json.hpp>

#include "study/plan_arms.h"

namespace flatenn::study {

/// run.json's "result" of a finished training, or null where it was asked to stop. A training that
/// `folder` holds finished under these settings is not done again.
nlohmann::json train_arm(const Definition& definition, const StudyOptions& options,
                         const Training& training, const std::filesystem::path& folder);

}  // namespace flatenn::study
