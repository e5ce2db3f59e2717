#include "flatenn/study/study.h"

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/report/report.h"
#include "flatenn/study/claims.h"
#include "study/run_campaigns.h"
#include "study/train_arm.h"
#include "study/tuning.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// One call of run_study().
class StudyRun {
 public:
  StudyRun(const Definition& definition, const StudyOptions& options)
      : definition_(definition), options_(options) {
    FLATENN_CHECK(!options.out.empty(), "study: --out is needed");
    std::error_code failure;
    fs::create_directories(options.out / "runs", failure);
    FLATENN_CHECK(!failure, options.out.string(), ": cannot be made: ", failure.message());
  }

  StudyOutcome run() {
    if (options_.tune && !tune_settings(definition_, options_)) return {};
    trainings_ = plan_trainings(definition_, options_, read_tuned_settings(options_.out));
    for (size_t i = 0; i < trainings_.size(); ++i) {
      log::info("network ", i + 1, " of ", trainings_.size(), ": ", trainings_[i].name);
      const json result = train_arm(definition_, options_, trainings_[i], folder_of(trainings_[i]));
      if (result.is_null()) return {};
      sparsity_[trainings_[i].name] = result.value("sparsity", 0.0);
      if (!run_campaigns(definition_, options_, trainings_[i], model_of(trainings_[i]))) return {};
    }
    return conclude();
  }

 private:
  fs::path folder_of(const Training& training) const {
    return options_.out / "runs" / training.name;
  }
  fs::path model_of(const Training& training) const { return folder_of(training) / "model.onnx"; }

  /// Judges the claims and writes study.json and the page.
  StudyOutcome conclude() {
    StudyOutcome outcome{.finished = true, .report = options_.out / "report.html"};
    report::Findings findings = report::collect({options_.out});
    for (const campaign::PlanResult& plan : findings.plans) {
      if (plan.name == "all layers") outcome.claims = judge_claims(plan, definition_, sparsity_);
    }
    write_record(outcome.claims);
    findings = report::collect({options_.out});
    write_file_atomically(outcome.report, report::render_page(findings));
    return outcome;
  }

  void write_record(const std::vector<report::Claim>& claims) const {
    const json record = {{"flatenn_result", "study"},
                         {"study", definition_.name},
                         {"title", title()},
                         {"claims", report::claims_to_json(claims)},
                         {"commands", commands()}};
    write_file_atomically(options_.out / "study.json", record.dump(2) + "\n");
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
    for (const Training& training : trainings_) {
      commands.push_back(training_command(definition_, training, folder_of(training)));
      for (std::string& command :
           campaign_commands(definition_, options_, training, model_of(training)))
        commands.push_back(std::move(command));
    }
    commands.push_back("flatenn report " + options_.out.string() + " -o " +
                       (options_.out / "report.html").string());
    return commands;
  }

  const Definition& definition_;
  const StudyOptions& options_;
  std::vector<Training> trainings_;
  SparsityByModel sparsity_;
};

}  // namespace

StudyOutcome run_study(const Definition& definition, const StudyOptions& options) {
  return StudyRun(definition, options).run();
}

}  // namespace flatenn::study
