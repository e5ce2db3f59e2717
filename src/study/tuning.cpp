#include "study/tuning.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/train/config.h"
#include "study/halving.h"
#include "study/share_out.h"
#include "study/side_by_side.h"
#include "study/tuning_csv.h"
#include "study/tuning_score.h"
#include "study/widen.h"

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
  int64_t rung = 0;     ///< Of the halving: how often it was among the best.
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

/// Tries the candidates of all arms: those of the definition, then, up to the budget, what their
/// scores propose. Each leaves its score in its own folder, so that several processes can share the
/// work by arms, and a search is planned from the scores there are; tune.json is made of all.
class Tuning {
 public:
  Tuning(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer)
      : definition_(definition), options_(options), trainer_(trainer), rungs_(halving()) {}

  bool run() {
    bool finished = true;
    for (std::vector<Candidate> open = open_candidates(); finished && !open.empty();
         open = open_candidates())
      finished = attempt(open);
    write_record();
    if (finished) tell();
    return finished;
  }

 private:
  fs::path folder() const { return options_.out / "tune"; }
  /// A file for each rung, named by its epochs.
  fs::path score_file(const Candidate& candidate) const {
    const bool halves = definition_.tuning.halving > 0;
    return folder() / candidate.training.name /
           (halves ? detail::concat("score-", epochs_of(candidate.training), ".json")
                   : std::string("score.json"));
  }
  static int64_t epochs_of(const Training& training) {
    Config config = training_config(training);
    return train::read_train_config(config).epochs;
  }

  /// The same rungs for all arms, as many as each of them has room for.
  Halving halving() const {
    const TuningPlan& plan = definition_.tuning;
    Halving rungs{.factor = plan.halving};
    if (plan.halving == 0) return rungs;
    bool first = true;
    for (const Training& training : searched(all_arms())) {
      Config config = training_config(training);
      const train::TrainConfig settings = train::read_train_config(config);
      const auto least = static_cast<int64_t>(settings.schedule.warmup_epochs) + 1;
      const auto listed = static_cast<int64_t>(plan.candidates.begin()->second.size());
      const Halving own =
          plan_halving(plan.halving, std::max(plan.budget, listed), settings.epochs, least);
      if (first || own.rungs < rungs.rungs) rungs = own;
      first = false;
    }
    return rungs;
  }

  /// The first trainings of the arms named (none: the definition's) that have candidates.
  std::vector<Training> searched(const std::vector<std::string>& arms) const {
    StudyOptions first_seed = options_;
    first_seed.seeds = first_seed.first_seed = 1;
    first_seed.arms = arms;
    if (first_seed.epochs == 0) first_seed.epochs = definition_.tuning.epochs;
    std::vector<Training> trainings = plan_trainings(definition_, first_seed, {});
    std::erase_if(trainings, [this](const Training& training) {
      return definition_.tuning.candidates.count(training.arm.recipe) == 0;
    });
    return trainings;
  }

  std::vector<Candidate> open_candidates() const {
    std::vector<Candidate> open;
    for (const Training& training : searched(options_.arms)) {
      for (Candidate& candidate : candidates(training)) {
        if (!fs::exists(score_file(candidate))) open.push_back(std::move(candidate));
      }
    }
    return open;
  }

  /// As far as the scores there are tell: the first rung, then those of each rung that go on.
  std::vector<Candidate> candidates(const Training& training) const {
    std::vector<Candidate> planned = first_rung(training);
    std::vector<Candidate> rung = planned;
    for (int64_t next = 1; next < rungs_.rungs; ++next) {
      const std::vector<Tried> tried = tried_of(rung);
      if (tried.size() < rung.size()) break;
      std::vector<Candidate> best;
      for (const size_t i : survivors(tried, rungs_.factor))
        best.push_back(held_out(training, rung[i].setting, next));
      planned.insert(planned.end(), best.begin(), best.end());
      rung = std::move(best);
    }
    return planned;
  }

  /// Those of the definition and, up to the budget, what their scores propose.
  std::vector<Candidate> first_rung(const Training& training) const {
    std::vector<std::string> settings = definition_.tuning.candidates.at(training.arm.recipe);
    std::vector<Candidate> planned;
    while (!settings.empty()) {
      for (const std::string& setting : settings) planned.push_back(held_out(training, setting, 0));
      const std::vector<Tried> tried = tried_of(planned);
      const int64_t left = definition_.tuning.budget - static_cast<int64_t>(planned.size());
      if (tried.size() < planned.size() || left <= 0) break;
      settings = propose(tried, left);
    }
    return planned;
  }

  /// In scores, a rung counts more than any accuracy: who went further was better before.
  std::vector<Tried> tried_of(const std::vector<Candidate>& candidates) const {
    std::vector<Tried> tried;
    for (const Candidate& candidate : candidates) {
      if (!fs::exists(score_file(candidate))) continue;
      const json score = read_score(score_file(candidate));
      tried.push_back(
          {candidate.setting,
           2 * static_cast<double>(candidate.rung) + score.at("faulty_accuracy").get<double>(),
           score.value("diverged", false)});
    }
    return tried;
  }

  Candidate held_out(Training training, const std::string& setting, int64_t rung) const {
    const std::string hold_out = "data.hold_out=" + std::to_string(definition_.tuning.hold_out);
    training.name = candidate_name(training.arm.name, setting);
    training.settings.push_back("name=\"" + training.name + "\"");
    training.settings.push_back(hold_out);
    if (rungs_.rungs > 1) {
      const int64_t epochs = rungs_.epochs_at(rung, epochs_of(training));
      training.settings.push_back("train.epochs=" + std::to_string(epochs));
      training.goes_on = true;
    }
    for (const std::string& key_value : settings_of(setting))
      training.settings.push_back(key_value);
    if (training.warm_start) {
      Training warm_start = *training.warm_start;
      warm_start.settings.push_back(hold_out);
      start_from(training, warm_start,
                 options_.warm_runs.empty() ? folder() : options_.warm_runs / "held-out");
    }
    return {std::move(training), setting, rung};
  }

  /// False where it was asked to stop. What another process tries is left to it.
  bool attempt(const std::vector<Candidate>& open) {
    const int64_t jobs = side_by_side(options_, open.front().training);
    if (jobs > 1 && !train_at_once(open, jobs)) return false;
    std::set<int64_t> told;
    const auto attempt_one = [&](int64_t i) {
      const Candidate& candidate = open[static_cast<size_t>(i)];
      if (fs::exists(score_file(candidate))) return Step::kDone;
      if (told.insert(i).second)
        log::info("tuning ", candidate.training.arm.name, ": ", candidate.setting);
      const ArmStatus status =
          trainer_.train(candidate.training, folder() / candidate.training.name);
      if (status == ArmStatus::kStopped) return Step::kStopped;
      if (status == ArmStatus::kElsewhere) return Step::kElsewhere;
      keep_score(candidate, status);
      return Step::kDone;
    };
    return share_out(std::ssize(open), attempt_one, options_.stop_requested);
  }

  /// Waits where another process trains what all start from.
  bool train_at_once(const std::vector<Candidate>& open, int64_t jobs) {
    std::vector<Training> trainings;
    for (const Candidate& candidate : open) trainings.push_back(candidate.training);
    const auto attempt_all = [&](int64_t) {
      const std::vector<ArmStatus> statuses =
          train_side_by_side(trainer_, trainings, folder(), jobs, options_.quiet);
      const auto count = [&](ArmStatus status) {
        return std::count(statuses.begin(), statuses.end(), status);
      };
      if (count(ArmStatus::kStopped) > 0) return Step::kStopped;
      return count(ArmStatus::kElsewhere) == std::ssize(statuses) ? Step::kElsewhere : Step::kDone;
    };
    return share_out(1, attempt_all, options_.stop_requested);
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
                        {"diverged", status == ArmStatus::kDiverged},
                        {"faulty_accuracy", mean_accuracy(cells)},
                        {"cells", to_json(cells)},
                        {"epochs", trained.epochs},
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
                   {"budget", definition_.tuning.budget},
                   {"halving", definition_.tuning.halving},
                   {"candidates", json::array()},
                   {"chosen", json::object()},
                   {"at_edge", json::object()},
                   {"diverged", json::array()}};
    for (const Training& training : searched(all_arms())) add_search(training, record);
    write_file_atomically(options_.out / "tune.json", record.dump(2) + "\n");
    write_file_atomically(options_.out / "tune.csv", tuning_csv(record));
  }

  void add_search(const Training& training, json& record) const {
    const std::string& arm = training.arm.name;
    const std::vector<Candidate> planned = candidates(training);
    for (const Candidate& candidate : planned) {
      if (fs::exists(score_file(candidate)))
        add_score(read_score(score_file(candidate)), record["candidates"]);
    }
    const std::vector<Tried> tried = tried_of(planned);
    if (tried.size() < planned.size()) return;
    const Tried* best = best_of(tried);
    if (best == nullptr) {
      record["diverged"].push_back(arm);
      return;
    }
    record["chosen"][arm] = settings_of(best->setting);
    if (const std::vector<std::string> keys = keys_at_edge(tried); !keys.empty())
      record["at_edge"][arm] = keys;
  }

  /// A candidate stands once, with the score of its last rung and all epochs and scores before.
  static void add_score(json score, json& candidates) {
    const json rung = {{"epochs", score.value("epochs", int64_t{0})},
                       {"faulty_accuracy", score.at("faulty_accuracy")}};
    for (json& before : candidates) {
      if (before["arm"] != score["arm"] || before["setting"] != score["setting"]) continue;
      score["rungs"] = before.value("rungs", json::array());
      score["rungs"].push_back(rung);
      before = std::move(score);
      return;
    }
    score["rungs"] = json::array({rung});
    candidates.push_back(std::move(score));
  }

  /// How many candidates an arm had: each stands once a rung.
  static int64_t count_of(const std::vector<Candidate>& planned) {
    return std::count_if(planned.begin(), planned.end(),
                         [](const Candidate& one) { return one.rung == 0; });
  }

  /// What a reader of the choice should know.
  void tell() const {
    for (const Training& training : searched(options_.arms)) {
      const std::string& arm = training.arm.name;
      const std::vector<Candidate> planned = candidates(training);
      const std::vector<Tried> tried = tried_of(planned);
      const Tried* best = best_of(tried);
      if (best == nullptr) {
        log::warn("tuning ", arm, ": all ", count_of(planned),
                  " candidates diverged; it has no setting");
        continue;
      }
      log::info("tuning ", arm, ": chosen of ", count_of(planned), ": ", best->setting);
      for (const std::string& key : keys_at_edge(tried))
        log::warn("tuning ", arm, ": ", key, " of the best candidate is the last value tried (",
                  best->setting, "); a larger tune.budget would go further");
    }
  }

  static json read_score(const fs::path& file) {
    json score = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    FLATENN_CHECK(
        score.is_object() && score.contains("setting") && score.contains("faulty_accuracy"),
        file.string(), ": is not the score of a tuning; delete it to try again");
    return score;
  }

  const Definition& definition_;
  const StudyOptions& options_;
  ArmTrainer& trainer_;
  const Halving rungs_;
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

std::vector<std::string> read_diverged_searches(const fs::path& out) {
  if (!fs::exists(out / "tune.json")) return {};
  const json record = json::parse(read_file(out / "tune.json"), nullptr, false);
  return record.value("diverged", std::vector<std::string>());
}

}  // namespace flatenn::study
