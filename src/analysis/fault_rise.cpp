#include "flatenn/analysis/fault_rise.h"

#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/engine/evaluate.h"

namespace flatenn::analysis {

void check_fault_rise(double rate, int64_t trials) {
  FLATENN_CHECK(rate > 0 && rate <= 1, "bit errors: rate must be in (0, 1], got ", rate);
  FLATENN_CHECK(trials >= 2, "bit errors: at least 2 fault maps, got ", trials);
}

FaultRise measure_fault_rise(const std::shared_ptr<const net::Network>& network,
                             engine::Engine& engine, const engine::ImageCodes& images,
                             std::span<const uint16_t> labels, double rate, uint64_t seed,
                             int64_t trials) {
  check_fault_rise(rate, trials);
  const engine::Evaluation golden =
      engine::evaluate(engine::golden_logits(engine, *network, images), network->classes(), labels);
  const fault::Injector injector(network, fault::FaultModel::of_kind(fault::FaultKind::kBitFlip));
  FaultyRuns runs = run_trials(injector, engine, images, labels, rate, seed, trials);
  for (double& loss : runs.losses) loss -= golden.loss;
  for (double& accuracy : runs.accuracies) accuracy = golden.accuracy() - accuracy;
  return {rate, trials, map_mean(runs.losses), map_mean(runs.accuracies)};
}

nlohmann::json to_json(const FaultRise& rise) {
  return {{"rate", rise.rate},
          {"trials", rise.trials},
          {"rise", rise.rise.mean},
          {"rise_se", rise.rise.standard_error},
          {"accuracy_loss", rise.accuracy_loss.mean},
          {"accuracy_loss_se", rise.accuracy_loss.standard_error}};
}

}  // namespace flatenn::analysis
