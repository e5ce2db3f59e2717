#include "study/tuning_score.h"

#include "flatenn/campaign/statistics.h"
#include "flatenn/engine/engine.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/fault/injector.h"
#include "study/run_campaigns.h"

namespace flatenn::study {
namespace {

/// Runs networks that faults have hit on the same images.
class FaultyNetworks {
 public:
  FaultyNetworks(const Definition& definition, const StudyOptions& options,
                 const net::Network& network, const data::ImageSet& images)
      : definition_(definition),
        network_(std::make_shared<const net::Network>(network)),
        images_(images),
        engine_(engine::make_engine(network_, engine::quantize_images(images, *network_),
                                    engine_on(options))),
        row_(static_cast<size_t>(images.count * network.classes())),
        logits_(row_ * static_cast<size_t>(definition.tuning.trials)) {}

  /// Mean over maps.
  double accuracy(const ScoredCell& cell) {
    const TuningPlan& plan = definition_.tuning;
    const fault::Injector injector(
        network_, fault::FaultModel::of_kind(fault::parse_fault_kind(cell.kind),
                                             fault::parse_encoding(cell.encoding)));
    std::vector<engine::Job> jobs(static_cast<size_t>(plan.trials));
    for (size_t trial = 0; trial < jobs.size(); ++trial) {
      jobs[trial].weights = injector.inject(cell.rate, plan.seed, trial).weights;
      jobs[trial].logits = std::span(logits_).subspan(trial * row_, row_);
    }
    engine_->run(jobs);
    std::vector<double> accuracies;
    for (const engine::Job& job : jobs)
      accuracies.push_back(
          engine::evaluate(job.logits, network_->classes(), images_.labels).accuracy());
    return campaign::summarize(accuracies).mean;
  }

 private:
  const Definition& definition_;
  std::shared_ptr<const net::Network> network_;
  const data::ImageSet& images_;
  std::unique_ptr<engine::Engine> engine_;
  size_t row_;
  std::vector<float> logits_;
};

}  // namespace

std::vector<ScoredCell> tuning_cells(const Definition& definition) {
  const TuningPlan& plan = definition.tuning;
  const std::string usual = definition.campaign_encoding.empty()
                                ? fault::to_string(fault::Encoding::kTwosComplement)
                                : definition.campaign_encoding;
  std::vector<ScoredCell> cells;
  for (const std::string& encoding : plan.encodings.empty() ? std::vector{usual} : plan.encodings) {
    for (const std::string& kind : plan.kinds.empty() ? definition.campaign.kinds : plan.kinds) {
      for (const double rate : plan.rates) cells.push_back({encoding, kind, rate});
    }
  }
  return cells;
}

std::vector<ScoredCell> score_cells(const Definition& definition, const StudyOptions& options,
                                    const net::Network& network, const data::ImageSet& images) {
  FaultyNetworks networks(definition, options, network, images);
  std::vector<ScoredCell> cells = tuning_cells(definition);
  for (ScoredCell& cell : cells) cell.accuracy = networks.accuracy(cell);
  return cells;
}

double mean_accuracy(const std::vector<ScoredCell>& cells) {
  std::vector<double> accuracies;
  for (const ScoredCell& cell : cells) accuracies.push_back(cell.accuracy);
  return campaign::summarize(accuracies).mean;
}

}  // namespace flatenn::study
