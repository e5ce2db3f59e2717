#include <fnmatch.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/report/report.h"
#include "flatenn/study/regimes.h"
#include "study/needs.h"
#include "study/plan_arms.h"
#include "study/regime_rows.h"
#include "study/run_campaigns.h"
#include "study/study_record.h"
#include "study/train_arm.h"
#include "study/tuning.h"
#include "train/checkpoint_file.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// A regime with what its study is called with.
struct RegimeStudy {
  Regime regime;
  Definition definition;
  StudyOptions options;
};

/// One call of run_regimes().
class RegimesRun {
 public:
  RegimesRun(const Grid& grid, const RegimeOptions& options)
      : grid_(grid), options_(options), regimes_(regimes_of(grid, outcome_.missing)) {
    FLATENN_CHECK(!options.study.out.empty(), "study: --out is needed");
    choose();
    for (const RegimeStudy& study : chosen_) check_settings(study);
    open_folder();
  }

  RegimesOutcome run() {
    for (const MissingRegime& missing : outcome_.missing)
      log::info(missing.name, ": left out: ", missing.reason);
    work();
    conclude();
    return std::move(outcome_);
  }

 private:
  const StudyOptions& options() const { return options_.study; }

  void choose() {
    for (const std::string& wanted : options_.only) {
      const bool any = std::any_of(regimes_.begin(), regimes_.end(), [&](const Regime& regime) {
        return fnmatch(wanted.c_str(), regime.name.c_str(), 0) == 0;
      });
      FLATENN_CHECK(any, "--regimes: none is called '", wanted, "'; there are ", names());
    }
    for (const Regime& regime : regimes_) {
      const bool wanted =
          options_.only.empty() ||
          std::any_of(options_.only.begin(), options_.only.end(), [&](const std::string& pattern) {
            return fnmatch(pattern.c_str(), regime.name.c_str(), 0) == 0;
          });
      if (wanted) chosen_.push_back(study_of(regime));
    }
    FLATENN_CHECK(!chosen_.empty(),
                  "study: the grid has no regime that exists: ", outcome_.missing.front().name,
                  ": ", outcome_.missing.front().reason);
  }

  std::string names() const {
    std::string text;
    for (const Regime& regime : regimes_) text += (text.empty() ? "" : ", ") + regime.name;
    return text;
  }

  RegimeStudy study_of(const Regime& regime) const {
    RegimeStudy study{regime, definition_of(grid_, regime), options()};
    study.options.out = regime_folder(options().out, regime);
    const GridNetwork& network = grid_.networks[regime.network];
    study.options.warm_runs = options().out / "warm" / network.name;
    if (study.options.data.empty()) study.options.data = network.data;
    if (study.options.epochs == 0) study.options.epochs = grid_.epochs;
    if (study.options.warm_epochs == 0) study.options.warm_epochs = grid_.warm_epochs;
    if (study.options.seeds == 0) study.options.seeds = grid_.shared.seeds;
    study.options.analysis = "off";
    study.options.conclude = false;
    study.options.time_limit_s = 0;
    study.options.stop_requested = [this] { return time_is_up() || asked_to_stop(); };
    return study;
  }

  /// A recipe that sets the regime's own keys would make it another regime.
  static void check_settings(const RegimeStudy& study) {
    for (const Training& training : plan_trainings(study.definition, study.options, {})) {
      Config config = training_config(training);
      Config regime = training_config(training);
      for (const std::string& setting : study.definition.settings) regime.set(setting);
      train::read_train_config(config);
      train::read_train_config(regime);
      for (const char* key : {"quantizer", "weight_bits", "activation_bits", "first_last_bits"}) {
        const json wanted = regime.resolved()["quant"][key], got = config.resolved()["quant"][key];
        FLATENN_CHECK(got == wanted, study.regime.name, ": arm '", training.arm.name,
                      "' sets quant.", key, " to ", got.dump(), ", which is an axis of the grid (",
                      wanted.dump(), " here)");
      }
    }
  }

  /// Refuses a folder that another grid was begun in.
  void open_folder() const {
    if (!fs::exists(options().out)) {
      for (const RegimeStudy& study : chosen_) check_needs(study.definition, study.options);
    }
    std::error_code failure;
    fs::create_directories(options().out, failure);
    FLATENN_CHECK(!failure, options().out.string(), ": cannot be made: ", failure.message());
    const fs::path path = options().out / "grid.json";
    const json keys = json::parse(grid_.keys);
    if (!fs::exists(path)) {
      write_file_atomically(path, json{{"grid", keys}}.dump(2) + "\n");
      return;
    }
    const json before = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
    FLATENN_CHECK(before.is_object() && before.value("grid", json()).is_object(), path.string(),
                  ": is not the grid of a study");
    const std::string difference = train::config_difference(before["grid"], keys);
    FLATENN_CHECK(difference.empty(), path.string(), ": was begun with another grid: ", difference,
                  "; give the same one, or another --out");
  }

  bool asked_to_stop() const { return options().stop_requested && options().stop_requested(); }
  bool time_is_up() const {
    const std::chrono::duration<double> passed = Clock::now() - start_;
    return options().time_limit_s > 0 && passed.count() >= options().time_limit_s;
  }

  /// A seed in all regimes before the next: a study that is cut short has whole maps.
  void work() {
    const int64_t seeds = chosen_.front().options.seeds;
    FLATENN_CHECK(options().first_seed <= seeds, "study: the first seed, ", options().first_seed,
                  ", is beyond the last, ", seeds);
    for (int64_t seed = options().first_seed; seed <= seeds; ++seed) {
      for (const RegimeStudy& study : chosen_) {
        log::info("regime ", &study - chosen_.data() + 1, " of ", chosen_.size(), ", seed ", seed,
                  ": ", study.regime.name);
        StudyOptions one_seed = study.options;
        one_seed.first_seed = one_seed.seeds = seed;
        const StudyOutcome outcome = run_study(study.definition, one_seed);
        if (seed == options().first_seed) {
          for (const std::string& arm : outcome.failed)
            outcome_.failed.push_back(study.regime.name + ": " + arm);
        }
        if (outcome.finished()) continue;
        outcome_.ending = time_is_up() ? StudyEnding::kTimeLimit : StudyEnding::kInterrupted;
        return;
      }
    }
  }

  /// Judges what there is in the folder, whichever calls made it.
  void conclude() {
    for (const Regime& regime : regimes_) list_missing(study_of(regime));
    outcome_.rows = judge_regimes(grid_, regimes_, options().out);
    if (outcome_.rows.empty()) return;
    json content = regimes_json(grid_, outcome_);
    content["command"] = options().command;
    write_file_atomically(options().out / "regimes.json", content.dump(1) + "\n");
    write_file_atomically(options().out / "regimes.csv", regimes_csv(outcome_.rows));
    outcome_.report = options().out / "report.html";
    write_file_atomically(outcome_.report,
                          report::render_page(report::collect({options().out / "regimes.json"})));
  }

  void list_missing(RegimeStudy study) {
    study.options.first_seed = 1;
    const std::vector<Training> trainings =
        plan_trainings(study.definition, study.options, read_tuned_settings(study.options.out));
    std::vector<TrainingRecord> records;
    for (const Training& training : trainings)
      records.push_back(describe_training(training, study.options.out / "runs" / training.name));
    for (const std::string& line :
         missing(records, open_campaigns(study.definition, study.options, trainings)))
      outcome_.not_run.push_back(study.regime.name + ": " + line);
  }

  const Grid& grid_;
  const RegimeOptions& options_;
  RegimesOutcome outcome_;
  std::vector<Regime> regimes_;
  std::vector<RegimeStudy> chosen_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

RegimesOutcome run_regimes(const Grid& grid, const RegimeOptions& options) {
  return RegimesRun(grid, options).run();
}

}  // namespace flatenn::study
