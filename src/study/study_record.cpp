#include "study/study_record.h"

#include <nlohmann/json.hpp>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::study {
namespace {

using nlohmann::json;

bool finished(const TrainingRecord& training) { return training.status == "finished"; }

json to_json(const TrainingRecord& training) {
  return {{"name", training.name},
          {"status", training.status},
          {"warm_epochs", training.warm_epochs},
          {"epochs", training.epochs},
          {"gradient_passes", training.gradient_passes},
          {"accuracy", training.accuracy},
          {"sparsity", training.sparsity},
          {"seconds", training.seconds},
          {"device", training.device},
          {"warm_start_hash", training.warm_start_hash}};
}

/// "seed2" of "saq-sparse-seed2".
std::string seed_of(const TrainingRecord& training) {
  return training.name.substr(training.name.rfind('-') + 1);
}

}  // namespace

nlohmann::json outcome_json(const StudyOutcome& outcome) {
  json trainings = json::array();
  for (const TrainingRecord& training : outcome.trainings) trainings.push_back(to_json(training));
  return {{"claims", report::claims_to_json(outcome.claims)},
          {"trainings", trainings},
          {"not_run", outcome.not_run}};
}

void write_study_record(const StudyRecord& record, const std::filesystem::path& path) {
  json content = outcome_json(record.outcome);
  content["flatenn_result"] = "study";
  content["study"] = record.definition.name;
  content["title"] = record.title;
  content["commands"] = record.commands;
  write_file_atomically(path, content.dump(2) + "\n");
}

std::vector<std::string> missing(const std::vector<TrainingRecord>& trainings,
                                 const std::vector<std::string>& open_campaigns) {
  std::vector<std::string> lines;
  std::set<std::string> untrained;
  std::map<std::string, std::set<std::string>> starts;
  for (const TrainingRecord& training : trainings) {
    if (finished(training)) {
      starts[seed_of(training)].insert(training.warm_start_hash);
      continue;
    }
    untrained.insert(training.name);
    lines.push_back(training.name + ": training " + training.status);
  }
  for (const std::string& line : open_campaigns) {
    const size_t name = line.find(": ") + 2;
    if (untrained.count(line.substr(name, line.find(':', name) - name)) == 0) lines.push_back(line);
  }
  for (const auto& [seed, hashes] : starts) {
    if (hashes.size() > 1)
      lines.push_back(detail::concat(seed, ": its networks started from ", hashes.size(),
                                     " different warm starts"));
  }
  return lines;
}

SparsityByModel sparsities(const std::vector<TrainingRecord>& trainings) {
  SparsityByModel sparsity;
  for (const TrainingRecord& training : trainings)
    if (finished(training)) sparsity[training.name] = training.sparsity;
  return sparsity;
}

}  // namespace flatenn::study
