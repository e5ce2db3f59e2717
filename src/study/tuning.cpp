#include "study/tuning.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/interop/onnx.h"
#include "study/side_by_side.h"
#include "study/tuning_score.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json to_json(const std::vector<ScoredCell>& cells) {
  json list = json::array();
  for (const ScoredCell& cell : cells)
    list.push_back({{"encoding", cell.encoding},
                    {"kind", cell.kind},
                    {"rate", cell.rate},
                    {"accuracy", cell.accuracy}});
  return list;
}

/// What to try for an arm.
struct Candidate {
  Training training;
  std::string setting;  ///< One or several "key=value", as the definition has them.
};

/// "tune-saq-standard-optimizer.learning_rate=0.1_sharpness.rho=0.05": the same in every call,
/// whatever else is tried.
std::string candidate_name(const std::string& arm, const std::string& setting) {
  std::string name = "tune-" + arm + "-" + setting;
  const std::string kept = "._=-+";
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && kept.find(letter) == kept.npos)
      letter = '_';
  }
  return name;
}

/// Tries the candidates of all arms. Each leaves its score in its own folder, so that several
/// processes can share the work by arms; tune.json is made of all scores there are.
class Tuning {
 public:
  Tuning(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer)
      : definition_(definition), options_(options), trainer_(trainer) {}

  bool run() {
    std::vector<Candidate> open;
    for (Candidate& candidate : candidates(options_.arms)) {
      if (!fs::exists(score_file(candidate))) open.push_back(std::move(candidate));
    }
    const bool finished = open.empty() || attempt(open);
    write_record();
    return finished;
  }

 private:
  fs::path folder() const { return options_.out / "tune"; }
  fs::path score_file(const Candidate& candidate) const {
    return folder() / candidate.training.name / "score.json";
  }

  /// Of the arms named (none: the definition's), in their order, for the first seed.
  std::vector<Candidate> candidates(const std::vector<std::string>& arms) const {
    StudyOptions first_seed = options_;
    first_seed.seeds = first_seed.first_seed = 1;
    first_seed.arms = arms;
    if (first_seed.epochs == 0) first_seed.epochs = definition_.tuning.epochs;
    std::vector<Candidate> planned;
    for (const Training& training : plan_trainings(definition_, first_seed, {})) {
      const auto settings = definition_.tuning.candidates.find(training.arm.recipe);
      if (settings == definition_.tuning.candidates.end()) continue;
      for (const std::string& setting : settings->second)
        planned.push_back({held_out(training, setting), setting});
    }
    return planned;
  }

  Training held_out(Training training, const std::string& setting) const {
    const std::string hold_out = "data.hold_out=" + std::to_string(definition_.tuning.hold_out);
    training.name = candidate_name(training.arm.name, setting);
    training.settings.push_back("name=\"" + training.name + "\"");
    training.settings.push_back(hold_out);
    for (const std::string& key_value : settings_of(setting))
      training.settings.push_back(key_value);
    if (training.warm_start) {
      Training warm_start = *training.warm_start;
      warm_start.settings.push_back(hold_out);
      start_from(training, warm_start,
                 options_.warm_runs.empty() ? folder() : options_.warm_runs / "held-out");
    }
    return training;
  }

  /// False where it was asked to stop.
  bool attempt(const std::vector<Candidate>& open) {
    const int64_t jobs = side_by_side(options_, open.front().training);
    if (jobs > 1) {
      std::vector<Training> trainings;
      for (const Candidate& candidate : open) trainings.push_back(candidate.training);
      train_side_by_side(trainer_, trainings, folder(), jobs, options_.quiet);
    }
    for (const Candidate& candidate : open) {
      log::info("tuning ", candidate.training.arm.name, ": ", candidate.setting);
      const ArmStatus status =
          trainer_.train(candidate.training, folder() / candidate.training.name);
      if (status == ArmStatus::kStopped) return false;
      keep_score(candidate, status);
    }
    return true;
  }

  /// A candidate that diverges scores 0.
  void keep_score(const Candidate& candidate, ArmStatus status) const {
    const fs::path run = folder() / candidate.training.name;
    const TrainingRecord trained = describe_training(candidate.training, run);
    std::vector<ScoredCell> cells = tuning_cells(definition_);
    if (status == ArmStatus::kFinished) {
      cells = score_cells(definition_, options_, interop::read_onnx(run / "model.onnx"),
                          trainer_.data_of(candidate.training)->test);
    }
    const json entry = {{"arm", candidate.training.arm.name},
                        {"setting", candidate.setting},
                        {"faulty_accuracy", mean_accuracy(cells)},
                        {"cells", to_json(cells)},
                        {"accuracy", trained.accuracy},
                        {"sparsity", trained.sparsity}};
    write_file_atomically(score_file(candidate), entry.dump(2) + "\n");
  }

  /// The arms of this call and of the definition, which another process may have tried.
  std::vector<std::string> all_arms() const {
    std::vector<std::string> arms = definition_.arms;
    for (const std::string& arm : options_.arms) {
      if (std::find(arms.begin(), arms.end(), arm) == arms.end()) arms.push_back(arm);
    }
    return arms;
  }

  void write_record() const {
    json record = {{"flatenn_result", "tuning"},
                   {"hold_out", definition_.tuning.hold_out},
                   {"epochs", definition_.tuning.epochs},
                   {"rates", definition_.tuning.rates},
                   {"trials", definition_.tuning.trials},
                   {"seed", definition_.tuning.seed},
                   {"cells", to_json(tuning_cells(definition_))},
                   {"candidates", json::array()},
                   {"chosen", json::object()}};
    for (const std::string& arm : all_arms()) {
      const std::vector<Candidate> tried = candidates({arm});
      json scores = json::array();
      for (const Candidate& candidate : tried) {
        if (fs::exists(score_file(candidate))) scores.push_back(read_score(score_file(candidate)));
      }
      for (const json& score : scores) record["candidates"].push_back(score);
      if (!scores.empty() && scores.size() == tried.size())
        record["chosen"][arm] = settings_of(best_of(scores).at("setting"));
    }
    write_file_atomically(options_.out / "tune.json", record.dump(2) + "\n");
  }

  static json read_score(const fs::path& file) {
    json score = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    FLATENN_CHECK(
        score.is_object() && score.contains("setting") && score.contains("faulty_accuracy"),
        file.string(), ": is not the score of a tuning; delete it to try again");
    return score;
  }

  /// The first of equals.
  static const json& best_of(const json& scores) {
    return *std::max_element(scores.begin(), scores.end(), [](const json& a, const json& b) {
      return a.at("faulty_accuracy") < b.at("faulty_accuracy");
    });
  }

  const Definition& definition_;
  const StudyOptions& options_;
  ArmTrainer& trainer_;
};

}  // namespace

bool tune_settings(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer) {
  return Tuning(definition, options, trainer).run();
}

TunedSettings read_tuned_settings(const fs::path& out) {
  TunedSettings settings;
  const fs::path path = out / "tune.json";
  if (!fs::exists(path)) return settings;
  const json record = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  FLATENN_CHECK(record.is_object() && record.contains("chosen"), path.string(),
                ": is not the record of a tuning; move it away to tune again");
  for (const auto& [arm, chosen] : record.at("chosen").items())
    settings[arm] = chosen.get<std::vector<std::string>>();
  return settings;
}

}  // namespace flatenn::study
