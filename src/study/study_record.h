#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "flatenn/study/claims.h"
#include "flatenn/study/study.h"

namespace flatenn::study {

/// What study.json says (docs/formats.md).
struct StudyRecord {
  const Definition& definition;
  std::string title;
  const StudyOutcome& outcome;
  std::vector<std::string> commands;
};

void write_study_record(const StudyRecord& record, const std::filesystem::path& path);

/// What a study still lacks, a line each: networks that are not trained, campaigns that are not
/// finished (those of untrained networks are not named one by one), and, as a reservation, seeds
/// whose networks did not all start from the same weights.
std::vector<std::string> missing(const std::vector<TrainingRecord>& trainings,
                                 const std::vector<std::string>& open_campaigns);

/// Of the finished trainings, by name.
SparsityByModel sparsities(const std::vector<TrainingRecord>& trainings);

}  // namespace flatenn::study
