#include "flatenn/study/study.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/base/shell.h"
#include "flatenn/report/report.h"
#include "flatenn/study/claims.h"
#include "study/run_analysis.h"
#include "study/run_campaigns.h"
#include "study/side_by_side.h"
#include "study/study_record.h"
#include "study/train_arm.h"
#include "study/tuning.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// One call of run_study().
class StudyRun {
 public:
  StudyRun(const Definition& definition, const StudyOptions& options)
      : definition_(definition), options_(options), trainer_(options_) {
    FLATENN_CHECK(!options.out.empty(), "study: --out is needed");
    wanted_analysis(definition, options);  // an unknown one is an error before anything is trained
    std::error_code failure;
    fs::create_directories(options.out / "runs", failure);
    FLATENN_CHECK(!failure, options.out.string(), ": cannot be made: ", failure.message());
    options_.stop_requested = [this, asked = options.stop_requested] {
      return time_is_up() || (asked && asked());
    };
  }

  StudyOutcome run() {
    StudyOutcome outcome;
    const bool worked = work();
    outcome.failed = failed_;
    if (!worked)
      outcome.ending = time_is_up() ? StudyEnding::kTimeLimit : StudyEnding::kInterrupted;
    if (options_.conclude) conclude(outcome);
    return outcome;
  }

 private:
  bool time_is_up() const {
    const std::chrono::duration<double> passed = Clock::now() - start_;
    return options_.time_limit_s > 0 && passed.count() >= options_.time_limit_s;
  }

  fs::path folder_of(const Training& training) const {
    return options_.out / "runs" / training.name;
  }
  fs::path model_of(const Training& training) const { return folder_of(training) / "model.onnx"; }

  /// False where it was asked to stop.
  bool work() {
    const bool tuned =
        !(options_.tune || options_.tune_only) || tune_settings(definition_, options_, trainer_);
    trainings_ = plan_trainings(definition_, options_, read_tuned_settings(options_.out));
    leave_out_failed();
    if (options_.tune_only) trainings_.clear();
    if (!tuned || options_.tune_only) return tuned;
    if (trainings_.empty()) return true;
    const int64_t jobs = side_by_side(options_, trainings_.front());
    for (size_t first = 0; first < trainings_.size();) {
      const size_t count = jobs > 1 ? networks_of_seed(first) : 1;
      if (!work_on(std::span(trainings_).subspan(first, count), jobs)) return false;
      first += count;
    }
    for (const Training& training : trainings_) {
      if (!run_analysis(definition_, options_, training, folder_of(training))) return false;
    }
    return true;
  }

  /// An arm whose search found nothing is not trained with settings that no search chose.
  void leave_out_failed() {
    if (!options_.tune && !options_.tune_only) return;
    const std::vector<std::string> diverged = read_diverged_searches(options_.out);
    std::erase_if(trainings_, [&](const Training& training) {
      const std::string& arm = training.arm.name;
      if (std::find(diverged.begin(), diverged.end(), arm) == diverged.end()) return false;
      if (std::find(failed_.begin(), failed_.end(), arm) == failed_.end()) failed_.push_back(arm);
      return true;
    });
  }

  /// How many networks from `first` on have its seed.
  size_t networks_of_seed(size_t first) const {
    size_t end = first;
    while (end < trainings_.size() && trainings_[end].seed == trainings_[first].seed) ++end;
    return end - first;
  }

  bool work_on(std::span<const Training> trainings, int64_t jobs) {
    std::vector<ArmStatus> statuses;
    if (jobs > 1) {
      statuses =
          train_side_by_side(trainer_, trainings, options_.out / "runs", jobs, options_.quiet);
    } else {
      for (const Training& training : trainings) {
        log::info("network ", &training - trainings_.data() + 1, " of ", trainings_.size(), ": ",
                  training.name);
        statuses.push_back(trainer_.train(training, folder_of(training)));
      }
    }
    for (size_t i = 0; i < trainings.size(); ++i) {
      if (!inject_into(trainings[i], statuses[i])) return false;
    }
    return true;
  }

  bool inject_into(const Training& training, ArmStatus status) {
    if (status == ArmStatus::kDiverged) {
      log::warn(training.name, ": diverged; the study goes on without it (delete ",
                folder_of(training).string(), " to try again)");
      return true;
    }
    return status == ArmStatus::kFinished &&
           run_campaigns(definition_, options_, training, model_of(training), test_images());
  }

  /// The images of all campaigns, read once.
  std::shared_ptr<const data::ImageSet> test_images() {
    if (!test_images_) {
      const std::string name = dataset_of(trainings_.front());
      test_images_ = std::make_shared<const data::ImageSet>(data::load_image_set(
          name, data::Split::kTest, data::resolve_data_root(options_.data_root),
          {.stop_requested = options_.stop_requested}));
    }
    return test_images_;
  }

  /// Judges the claims and writes study.json and the page, over what there is.
  void conclude(StudyOutcome& outcome) {
    for (const Training& training : trainings_)
      outcome.trainings.push_back(describe_training(training, folder_of(training)));
    outcome.not_run = missing(outcome.trainings, open_campaigns(definition_, options_, trainings_));
    for (std::string& line : open_analyses(definition_, options_, trainings_))
      outcome.not_run.push_back(std::move(line));
    if (!fs::exists(options_.out / "campaign.db")) {
      if (options_.tune_only) write_page(outcome);
      return;
    }
    const report::Findings findings = report::collect({options_.out});
    for (const campaign::PlanResult& plan : findings.plans) {
      if (plan.name.starts_with(kAllLayers))
        outcome.claims = judge(findings, plan, sparsities(outcome.trainings));
    }
    write_study_record(
        {.definition = definition_, .title = title(), .outcome = outcome, .commands = commands()},
        options_.out / "study.json");
    write_page(outcome);
  }

  void write_page(StudyOutcome& outcome) const {
    outcome.report = options_.out / "report.html";
    write_file_atomically(outcome.report, report::render_page(report::collect({options_.out})));
  }

  std::vector<report::Claim> judge(const report::Findings& findings,
                                   const campaign::PlanResult& plan,
                                   const SparsityByModel& sparsity) const {
    std::vector<report::Claim> claims = judge_claims(plan, definition_, sparsity);
    for (const auto& more :
         {judge_flatness(findings, plan, definition_), judge_cost(findings, definition_, sparsity)})
      claims.insert(claims.end(), more.begin(), more.end());
    return claims;
  }

  std::string title() const {
    return options_.data.empty() ? definition_.title : definition_.title + ", " + options_.data;
  }

  std::vector<std::string> commands() const {
    std::vector<std::string> commands;
    if (!options_.command.empty()) {
      commands.push_back(options_.command);
      commands.emplace_back("# which does the same as");
    }
    std::string started;
    for (const Training& training : trainings_) {
      if (training.warm_start && training.warm_start->name != started) {
        started = training.warm_start->name;
        commands.push_back(training_command(*training.warm_start, options_, training.warm_folder));
      }
      commands.push_back(training_command(training, options_, folder_of(training)));
      for (std::string& command :
           campaign_commands(definition_, options_, training, model_of(training)))
        commands.push_back(std::move(command));
      for (std::string& command :
           analysis_commands(definition_, options_, training, folder_of(training)))
        commands.push_back(std::move(command));
    }
    commands.push_back("flatenn report " + shell_word(options_.out.string()) + " -o " +
                       shell_word((options_.out / "report.html").string()));
    return commands;
  }

  const Definition& definition_;
  StudyOptions options_;
  Clock::time_point start_ = Clock::now();
  ArmTrainer trainer_;
  std::vector<Training> trainings_;
  std::vector<std::string> failed_;
  std::shared_ptr<const data::ImageSet> test_images_;
};

}  // namespace

StudyOutcome run_study(const Definition& definition, const StudyOptions& options) {
  return StudyRun(definition, options).run();
}

}  // namespace flatenn::study
