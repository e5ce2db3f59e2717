#include "flatenn/analysis/hardening.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

/// Cells by falling accuracy loss per stored bit; ties keep memory order.
std::vector<const SensitivityCell*> by_density(const SensitivityReport& sensitivity) {
  std::vector<const SensitivityCell*> order;
  for (const SensitivityCell& cell : sensitivity.cells) order.push_back(&cell);
  const auto density = [](const SensitivityCell* cell) {
    return cell->accuracy_loss.mean / static_cast<double>(cell->stored_bits);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return density(a) > density(b); });
  return order;
}

HardeningStep measure(const std::shared_ptr<const net::Network>& network, engine::Engine& engine,
                      const engine::ImageCodes& images, std::span<const uint16_t> labels,
                      const HardeningCurve& curve, const HardeningOptions& options) {
  HardeningStep step;
  const fault::FaultModel model =
      hardened_model(*network, curve, static_cast<int64_t>(curve.steps.size()), options);
  if (model.sources.empty()) {  // every bit is hardened
    step.accuracy.mean = curve.golden_accuracy;
    return step;
  }
  const fault::Injector injector(network, model);
  const FaultyRuns runs =
      run_trials(injector, engine, images, labels, options.rate, options.seed, options.trials);
  step.accuracy = map_mean(runs.accuracies);
  return step;
}

}  // namespace

void check(const HardeningOptions& options) {
  FLATENN_CHECK(options.rate > 0 && options.rate <= 1, "hardening: rate must be in (0, 1], got ",
                options.rate);
  FLATENN_CHECK(options.tolerated_drop >= 0 && options.tolerated_drop < 1,
                "hardening: the tolerated drop must be in [0, 1), got ", options.tolerated_drop);
}

fault::FaultModel hardened_model(const net::Network& network, const HardeningCurve& curve,
                                 int64_t steps, const HardeningOptions& options) {
  fault::FaultModel model;
  model.encoding = options.encoding;
  for (const net::WeightTensor& tensor : net::weight_memory(network)) {
    std::set<int> hardened;
    for (int64_t i = 0; i < steps; ++i) {
      const HardeningStep& step = curve.steps[static_cast<size_t>(i)];
      if (step.layer == tensor.name) hardened.insert(step.bit);
    }
    fault::FaultSource source;
    source.kinds = fault::KindShares::only(options.kind);
    source.layers = {tensor.name};
    for (int bit = 0; bit < fault::word_bits(tensor.bits, options.encoding); ++bit) {
      if (!hardened.contains(bit)) source.bits.push_back(bit);
    }
    if (!source.bits.empty()) model.sources.push_back(source);
  }
  return model;
}

HardeningCurve harden_greedily(const std::shared_ptr<const net::Network>& network,
                               engine::Engine& engine, const engine::ImageCodes& images,
                               std::span<const uint16_t> labels,
                               const SensitivityReport& sensitivity,
                               const HardeningOptions& options) {
  check(options);
  HardeningCurve curve;
  curve.golden_accuracy = sensitivity.golden_accuracy;
  double total_bits = 0;
  for (const SensitivityCell& cell : sensitivity.cells) {
    total_bits += static_cast<double>(cell.stored_bits);
  }
  const std::vector<const SensitivityCell*> order = by_density(sensitivity);
  curve.steps.push_back(measure(network, engine, images, labels, curve, options));
  for (size_t i = 0; i <= order.size(); ++i) {
    if (options.observer) {
      options.observer(static_cast<int64_t>(i), static_cast<int64_t>(order.size()));
    }
    curve.reached =
        curve.steps.back().accuracy.mean >= curve.golden_accuracy - options.tolerated_drop;
    if (curve.reached || i == order.size()) break;
    HardeningStep next{.layer = order[i]->layer_name, .bit = order[i]->bit};
    next.hardened_bits = curve.steps.back().hardened_bits + order[i]->stored_bits;
    next.hardened_share = static_cast<double>(next.hardened_bits) / total_bits;
    curve.steps.push_back(next);
    curve.steps.back().accuracy = measure(network, engine, images, labels, curve, options).accuracy;
  }
  return curve;
}

std::string plan_head(const std::string& name, const PlanTarget& target,
                      const HardeningOptions& options) {
  std::ostringstream toml;
  toml << "name = " << std::quoted(name) << "\nmodels = [" << std::quoted(target.model)
       << "]\ndata = " << std::quoted(target.dataset) << "\nrates = [" << options.rate
       << "]\ntrials = " << options.trials << "\nseed = " << options.seed << "\n";
  return toml.str();
}

std::string hardening_plan_toml(const net::Network& network, const PlanTarget& target,
                                const HardeningCurve& curve, const HardeningOptions& options) {
  const HardeningStep& last = curve.steps.back();
  const fault::FaultModel model =
      hardened_model(network, curve, static_cast<int64_t>(curve.steps.size()), options);
  FLATENN_CHECK(!model.sources.empty(),
                "hardening: every bit had to be hardened, no faults are left to run");
  std::ostringstream toml;
  toml << "# " << last.hardened_bits << " stored bits (" << 100 * last.hardened_share
       << " %) hardened, greatest measured accuracy loss per bit first.\n"
       << "# Faults strike the bits listed below, one table a layer; all others are hardened.\n"
       << plan_head("hardened", target, options)
       << "\n[memory]\nencoding = " << std::quoted(fault::to_string(options.encoding)) << "\n";
  for (const fault::FaultSource& source : model.sources) {
    toml << "\n[[faults]]\nkind = " << std::quoted(fault::to_string(options.kind)) << "\nlayers = ["
         << std::quoted(source.layers.front()) << "]\nbits = [";
    for (size_t i = 0; i < source.bits.size(); ++i) toml << (i == 0 ? "" : ", ") << source.bits[i];
    toml << "]\n";
  }
  return toml.str();
}

nlohmann::json to_json(const HardeningCurve& curve) {
  nlohmann::json steps = nlohmann::json::array();
  for (const HardeningStep& step : curve.steps) {
    nlohmann::json json{{"hardened_bits", step.hardened_bits},
                        {"hardened_share", step.hardened_share},
                        {"accuracy", step.accuracy.mean},
                        {"accuracy_se", step.accuracy.standard_error}};
    if (!step.layer.empty()) {
      json["layer"] = step.layer;
      json["bit"] = step.bit;
    }
    steps.push_back(json);
  }
  return {{"golden_accuracy", curve.golden_accuracy}, {"reached", curve.reached}, {"steps", steps}};
}

}  // namespace flatenn::analysis
