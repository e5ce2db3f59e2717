#include "study/run_campaigns.h"

#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/progress.h"
#include "flatenn/campaign/campaign.h"

namespace flatenn::study {
namespace {

/// A campaign of the study, before a network is chosen.
struct CampaignQuestion {
  std::string name;
  CampaignCells cells;
  std::string spared_layer;  ///< Without faults; empty: none.
};

std::vector<CampaignQuestion> questions_of(const Definition& definition,
                                           const StudyOptions& options) {
  std::vector<CampaignQuestion> questions = {{"all layers", definition.campaign, ""}};
  if (options.trials > 0) questions[0].cells.trials = options.trials;
  if (definition.spared.rates.empty() || definition.spared_layer.empty()) return questions;
  questions.push_back(
      {definition.spared_layer + " spared", definition.spared, definition.spared_layer});
  if (options.trials > 0)
    questions[1].cells.trials = std::min(options.trials, definition.spared.trials);
  return questions;
}

template <typename Values>
std::string joined(const Values& values, const std::string& quote, const std::string& separator) {
  std::string text;
  for (const auto& value : values)
    text += (text.empty() ? "" : separator) + detail::concat(quote, value, quote);
  return text;
}

campaign::Plan plan_for(const Definition& definition, const CampaignQuestion& question,
                        const Training& training, const std::filesystem::path& model) {
  Config config = Config::from_string("", "study " + definition.name);
  config.set("name=\"" + campaign_name(question.name, training) + "\"");
  config.set("models=[" + joined(std::vector{model.string()}, "'", ",") + "]");
  config.set("kinds=[" + joined(question.cells.kinds, "\"", ",") + "]");
  config.set("rates=[" + joined(question.cells.rates, "", ",") + "]");
  config.set("trials=" + std::to_string(question.cells.trials));
  config.set("seed=" + std::to_string(definition.campaign_seed));
  if (!question.spared_layer.empty()) config.set("spare=[\"" + question.spared_layer + "\"]");
  return campaign::read_plan(config);
}

/// One progress line for a campaign.
class ProgressObserver : public campaign::Observer {
 public:
  ProgressObserver(std::string title, bool quiet) : title_(std::move(title)), quiet_(quiet) {}

  void started(const std::string&, int64_t done, int64_t wanted) override {
    before_ = done;
    progress_.emplace(Progress::Options{
        .title = title_, .total = wanted, .unit = "trials", .done_before = done, .quiet = quiet_});
  }
  void advanced(int64_t trials, int64_t, const campaign::CellProgress&) override {
    if (before_ > 0) {  // the first news tells what was there before
      before_ = 0;
      return;
    }
    progress_->advance(trials);
  }

 private:
  std::string title_;
  bool quiet_;
  int64_t before_ = 0;  ///< Trials of earlier runs, until the first news has told of them.
  std::optional<Progress> progress_;
};

}  // namespace

std::string campaign_name(const std::string& question, const Training& training) {
  return question + ": " + training.name;
}

bool run_campaigns(const Definition& definition, const StudyOptions& options,
                   const Training& training, const std::filesystem::path& model) {
  store::Store store =
      store::Store::open(options.out / "campaign.db", store::Store::Access::kWrite);
  campaign::CampaignOptions how;
  how.engine.kind = options.device == "cuda" ? engine::EngineKind::kCuda : engine::EngineKind::kCpu;
  how.data_root = options.data_root;
  how.stop_requested = options.stop_requested;
  for (const CampaignQuestion& question : questions_of(definition, options)) {
    ProgressObserver observer(campaign_name(question.name, training), options.quiet);
    const campaign::CampaignReport report = campaign::run_campaign(
        plan_for(definition, question, training, model), store, how, observer);
    if (report.ending == campaign::Ending::kInterrupted) return false;
  }
  return true;
}

std::vector<std::string> campaign_commands(const Definition& definition,
                                           const StudyOptions& options, const Training& training,
                                           const std::filesystem::path& model) {
  std::vector<std::string> commands;
  for (const CampaignQuestion& question : questions_of(definition, options)) {
    std::string command = "flatenn campaign --model " + model.string() + " --kinds " +
                          joined(question.cells.kinds, "", ",") + " --rates " +
                          joined(question.cells.rates, "", ",") + " --trials " +
                          std::to_string(question.cells.trials) + " --seed " +
                          std::to_string(definition.campaign_seed);
    if (!question.spared_layer.empty()) command += " --spare " + question.spared_layer;
    command += " --name '" + campaign_name(question.name, training) + "' --db " +
               (options.out / "campaign.db").string();
    commands.push_back(std::move(command));
  }
  return commands;
}

}  // namespace flatenn::study
