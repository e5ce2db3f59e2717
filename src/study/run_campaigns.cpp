#include "study/run_campaigns.h"

#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/progress.h"
#include "flatenn/base/shell.h"
#include "flatenn/campaign/campaign.h"
#include "flatenn/engine/devices.h"

namespace flatenn::study {
namespace {

constexpr const char* kDatabase = "campaign.db";

/// A campaign of the study, before a network is chosen.
struct CampaignQuestion {
  std::string name;
  CampaignCells cells;
  std::string spared_layer;  ///< Without faults; empty: none.
  std::string encoding;      ///< Empty: two's complement.
};

std::vector<CampaignQuestion> questions_of(const Definition& definition,
                                           const StudyOptions& options) {
  std::vector<CampaignQuestion> questions = {
      {.name = kAllLayers, .cells = definition.campaign, .encoding = definition.campaign_encoding}};
  if (!definition.spared.rates.empty() && !definition.spared_layer.empty()) {
    questions.push_back({.name = definition.spared_layer + " spared",
                         .cells = definition.spared,
                         .spared_layer = definition.spared_layer});
  }
  for (const std::string& encoding : definition.encoding_names) {
    questions.push_back(
        {.name = "stored as " + encoding, .cells = definition.encodings, .encoding = encoding});
  }
  if (options.trials > 0) {
    for (CampaignQuestion& question : questions)
      question.cells.trials = std::min(options.trials, question.cells.trials);
    questions[0].cells.trials = options.trials;
  }
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
  if (question.cells.images > 0)
    config.set("first_images=" + std::to_string(question.cells.images));
  if (!question.spared_layer.empty()) config.set("spare=[\"" + question.spared_layer + "\"]");
  if (!question.encoding.empty()) config.set("memory.encoding=\"" + question.encoding + "\"");
  return campaign::read_plan(config);
}

int64_t trials_of(const CampaignCells& cells) {
  return static_cast<int64_t>(cells.kinds.size() * cells.rates.size()) * cells.trials;
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

engine::EngineOptions engine_on(const StudyOptions& options) {
  const std::vector<int64_t> devices = engine::parse_device_choice(options.device);
  if (devices.empty()) return {.kind = engine::EngineKind::kCpu};
  return {.kind = engine::EngineKind::kCuda, .device = devices.front()};
}

bool run_campaigns(const Definition& definition, const StudyOptions& options,
                   const Training& training, const std::filesystem::path& model,
                   std::shared_ptr<const data::ImageSet> images) {
  store::Store store = store::Store::open(options.out / kDatabase, store::Store::Access::kWrite);
  campaign::CampaignOptions how;
  how.engine = engine_on(options);
  how.devices = engine::parse_device_choice(options.device);
  how.data_root = options.data_root;
  how.images = std::move(images);
  how.stop_requested = options.stop_requested;
  for (const CampaignQuestion& question : questions_of(definition, options)) {
    ProgressObserver observer(campaign_name(question.name, training), options.quiet);
    const campaign::CampaignReport report = campaign::run_campaign(
        plan_for(definition, question, training, model), store, how, observer);
    if (report.ending == campaign::Ending::kInterrupted) return false;
  }
  return true;
}

std::vector<std::string> open_campaigns(const Definition& definition, const StudyOptions& options,
                                        const std::vector<Training>& trainings) {
  std::map<std::string, int64_t> done;
  if (std::filesystem::exists(options.out / kDatabase)) {
    const store::Store store =
        store::Store::open(options.out / kDatabase, store::Store::Access::kRead);
    for (const store::PlanRow& plan : store.plans()) done[plan.name] = store.trial_count(plan.id);
  }
  std::vector<std::string> open;
  for (const Training& training : trainings) {
    for (const CampaignQuestion& question : questions_of(definition, options)) {
      const std::string name = campaign_name(question.name, training);
      const int64_t wanted = trials_of(question.cells);
      if (done[name] < wanted)
        open.push_back(detail::concat(name, ": ", done[name], " of ", wanted, " trials"));
    }
  }
  return open;
}

std::vector<std::string> campaign_commands(const Definition& definition,
                                           const StudyOptions& options, const Training& training,
                                           const std::filesystem::path& model) {
  std::vector<std::string> commands;
  for (const CampaignQuestion& question : questions_of(definition, options)) {
    std::string command = "flatenn campaign --model " + shell_word(model.string()) + " --kinds " +
                          joined(question.cells.kinds, "", ",") + " --rates " +
                          joined(question.cells.rates, "", ",") + " --trials " +
                          std::to_string(question.cells.trials) + " --seed " +
                          std::to_string(definition.campaign_seed);
    if (question.cells.images > 0)
      command += " --first-images " + std::to_string(question.cells.images);
    if (!question.spared_layer.empty()) command += " --spare " + question.spared_layer;
    if (!question.encoding.empty()) command += " --encoding " + question.encoding;
    if (options.device != "cpu") command += " --engine " + options.device;
    command += " --name " + shell_word(campaign_name(question.name, training)) + " --db " +
               shell_word((options.out / kDatabase).string());
    commands.push_back(std::move(command));
  }
  return commands;
}

}  // namespace flatenn::study
