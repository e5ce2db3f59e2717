#pragma once

#include "study/plan_arms.h"

namespace flatenn::study {

/// Where a network's results are: out/analysis/saq-sparse-seed1.
std::filesystem::path analysis_folder(const StudyOptions& options, const Training& training);

/// The definition's level that the options ask for, or nullptr for none. Throws Error that lists
/// the levels.
const AnalysisSettings* wanted_analysis(const Definition& definition, const StudyOptions& options);

/// Measures what the wanted level asks of one network; results that are there, made the same way of
/// the same network, are kept, and so are those of the level "full". False where it was asked to
/// stop.
bool run_analysis(const Definition& definition, const StudyOptions& options,
                  const Training& training, const std::filesystem::path& run);

/// "saq-sparse-seed1: sharpness" for every result of a trained network that is wanted and not
/// there.
std::vector<std::string> open_analyses(const Definition& definition, const StudyOptions& options,
                                       const std::vector<Training>& trainings);

/// The commands that do the same.
std::vector<std::string> analysis_commands(const Definition& definition,
                                           const StudyOptions& options, const Training& training,
                                           const std::filesystem::path& run);

}  // namespace flatenn::study
