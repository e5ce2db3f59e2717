#include "flatenn/study/study.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/base/shell.h"
#include "flatenn/report/report.h"
#include "flatenn/study/claims.h"
#include "store/network_file.h"
#include "study/lease.h"
#include "study/needs.h"
#include "study/run_analysis.h"
#include "study/run_campaigns.h"
#include "study/share_out.h"
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
    if (!fs::exists(options.out)) check_needs(definition, options);
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
    return train_and_inject(side_by_side(options_, trainings_.front())) && analyse();
  }

  /// A network at a time, or with several jobs those of a seed. What another process works on is
  /// left to it.
  bool train_and_inject(int64_t jobs) {
    statuses_.resize(trainings_.size());
    injected_.resize(trainings_.size());
    std::vector<std::pair<size_t, size_t>> groups;  // first and count
    for (size_t first = 0; first < trainings_.size();) {
      groups.emplace_back(first, jobs > 1 ? networks_of_seed(first) : 1);
      first += groups.back().second;
    }
    const auto attempt = [&](int64_t group) {
      const auto [first, count] = groups[static_cast<size_t>(group)];
      return work_on(first, count, jobs);
    };
    return share_out(std::ssize(groups), attempt, options_.stop_requested);
  }

  bool analyse() {
    if (wanted_analysis(definition_, options_) == nullptr) return true;
    const auto attempt = [&](int64_t i) {
      const Training& training = trainings_[static_cast<size_t>(i)];
      const auto lease = leases_.try_take(options_.out / "runs", training.name + ".analysis");
      if (!lease) return Step::kElsewhere;
      return run_analysis(definition_, options_, training, folder_of(training)) ? Step::kDone
                                                                                : Step::kStopped;
    };
    return share_out(std::ssize(trainings_), attempt, options_.stop_requested);
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

  Step work_on(size_t first, size_t count, int64_t jobs) {
    train(first, count, jobs);
    Step all = Step::kDone;
    for (size_t i = first; i < first + count; ++i) {
      if (injected_[i]) continue;
      const Step step = inject_into(i);
      if (step == Step::kStopped) return step;
      if (step == Step::kElsewhere) all = step;
      injected_[i] = step == Step::kDone;
    }
    return all;
  }

  /// Those of the networks that are not trained yet, as far as this process has to.
  void train(size_t first, size_t count, int64_t jobs) {
    std::vector<size_t> open;
    std::vector<Training> trainings;
    for (size_t i = first; i < first + count; ++i) {
      if (statuses_[i] && *statuses_[i] != ArmStatus::kElsewhere) continue;
      if (!statuses_[i])
        log::info("network ", i + 1, " of ", trainings_.size(), ": ", trainings_[i].name);
      open.push_back(i);
      trainings.push_back(trainings_[i]);
    }
    if (open.empty()) return;
    std::vector<ArmStatus> statuses;
    if (jobs > 1) {
      statuses =
          train_side_by_side(trainer_, trainings, options_.out / "runs", jobs, options_.quiet);
    } else {
      statuses.push_back(trainer_.train(trainings.front(), folder_of(trainings.front())));
    }
    for (size_t i = 0; i < open.size(); ++i) statuses_[open[i]] = statuses[i];
  }

  Step inject_into(size_t index) {
    const Training& training = trainings_[index];
    switch (*statuses_[index]) {
      case ArmStatus::kElsewhere:
        return Step::kElsewhere;
      case ArmStatus::kStopped:
        return Step::kStopped;
      case ArmStatus::kDiverged:
        log::warn(training.name, ": diverged; the study goes on without it (delete ",
                  folder_of(training).string(), " to try again)");
        return Step::kDone;
      case ArmStatus::kFinished:
        break;
    }
    // On a network file system the database has one writer at a time.
    std::unique_ptr<Lease> lease;
    if (store::network_file_system(options_.out / "campaign.db")) {
      lease = leases_.try_take(options_.out / "runs", "campaign.db");
      if (!lease) return Step::kElsewhere;
    }
    return run_campaigns(definition_, options_, training, model_of(training), test_images())
               ? Step::kDone
               : Step::kStopped;
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
  Leases leases_;  ///< Of what is not training.
  std::vector<Training> trainings_;
  std::vector<std::optional<ArmStatus>> statuses_;  ///< By training, where it was looked at.
  std::vector<bool> injected_;                      ///< By training.
  std::vector<std::string> failed_;
  std::shared_ptr<const data::ImageSet> test_images_;
};

}  // namespace

StudyOutcome run_study(const Definition& definition, const StudyOptions& options) {
  return StudyRun(definition, options).run();
}

}  // namespace flatenn::study
