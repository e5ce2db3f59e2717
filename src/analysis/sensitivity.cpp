#include "flatenn/analysis/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/engine/evaluate.h"

namespace flatenn::analysis {
namespace {

/// Passes handed to the engine at once: enough for it to stack small networks, little memory.
constexpr int64_t kBatchTrials = 20;

fault::FaultModel confined_to(const SensitivityCell& cell, const SensitivityOptions& options) {
  fault::FaultModel model = fault::FaultModel::of_kind(options.kind, options.encoding);
  if (cell.layer >= 0) model.sources[0].layers = {cell.layer_name};
  if (cell.bit >= 0) model.sources[0].bits = {cell.bit};
  return model;
}

class Campaign {
 public:
  Campaign(const std::shared_ptr<const net::Network>& network, engine::Engine& engine,
           const engine::ImageCodes& images, std::span<const uint16_t> labels,
           const SensitivityOptions& options)
      : network_(network), engine_(engine), images_(images), labels_(labels), options_(options) {}

  SensitivityReport run() {
    SensitivityReport report;
    const std::vector<float> logits = engine::golden_logits(engine_, *network_, images_);
    const engine::Evaluation golden = engine::evaluate(logits, network_->classes(), labels_);
    report.golden_accuracy = golden.accuracy();
    report.golden_loss = golden.loss;
    report.images = images_.count;
    add_cells(report);
    total_ = static_cast<int64_t>(report.layers.size() + report.bits.size() + report.cells.size()) *
             options_.trials;
    for (auto* group : {&report.layers, &report.bits, &report.cells}) {
      for (SensitivityCell& cell : *group) measure(report, cell);
    }
    return report;
  }

 private:
  void add_cells(SensitivityReport& report) const {
    const std::vector<net::WeightTensor> memory = net::weight_memory(*network_);
    int widest = 0;
    for (const net::WeightTensor& tensor : memory) {
      const int word = fault::word_bits(tensor.bits, options_.encoding);
      report.layers.push_back({.layer = tensor.layer,
                               .layer_name = tensor.name,
                               .stored_bits = tensor.elements * word});
      widest = std::max(widest, word);
      for (int bit = 0; bit < word; ++bit) {
        report.cells.push_back({.layer = tensor.layer,
                                .layer_name = tensor.name,
                                .bit = bit,
                                .stored_bits = tensor.elements});
      }
    }
    for (int bit = 0; bit < widest; ++bit) {
      int64_t stored = 0;
      for (const net::WeightTensor& tensor : memory) {
        if (fault::word_bits(tensor.bits, options_.encoding) > bit) stored += tensor.elements;
      }
      report.bits.push_back({.bit = bit, .stored_bits = stored});
    }
  }

  void measure(const SensitivityReport& report, SensitivityCell& cell) {
    const fault::Injector injector(network_, confined_to(cell, options_));
    FaultyRuns runs = run_trials(injector, engine_, images_, labels_, options_.rate, options_.seed,
                                 options_.trials);
    for (double& accuracy : runs.accuracies) accuracy = report.golden_accuracy - accuracy;
    for (double& loss : runs.losses) loss -= report.golden_loss;
    cell.accuracy_loss = map_mean(runs.accuracies);
    cell.loss_rise = map_mean(runs.losses);
    done_ += options_.trials;
    if (options_.observer) options_.observer(done_, total_);
  }

  const std::shared_ptr<const net::Network>& network_;
  engine::Engine& engine_;
  const engine::ImageCodes& images_;
  std::span<const uint16_t> labels_;
  const SensitivityOptions& options_;
  int64_t done_ = 0;
  int64_t total_ = 0;
};

}  // namespace

FaultyRuns run_trials(const fault::Injector& injector, engine::Engine& engine,
                      const engine::ImageCodes& images, std::span<const uint16_t> labels,
                      double rate, uint64_t seed, int64_t trials) {
  FaultyRuns runs;
  const int64_t classes = injector.network()->classes();
  const auto size = static_cast<size_t>(images.count * classes);
  std::vector<float> logits(size * static_cast<size_t>(std::min(kBatchTrials, trials)));
  for (int64_t first = 0; first < trials; first += kBatchTrials) {
    const int64_t count = std::min(kBatchTrials, trials - first);
    std::vector<fault::Injection> injections;
    std::vector<engine::Job> jobs(static_cast<size_t>(count));
    for (size_t i = 0; i < jobs.size(); ++i) {
      injections.push_back(injector.inject(rate, seed, static_cast<uint64_t>(first) + i));
      jobs[i].weights = injections[i].weights;
      jobs[i].biases = injections[i].biases;
      jobs[i].activations = injections[i].activations.get();
      jobs[i].logits = std::span(logits).subspan(i * size, size);
    }
    engine.run(jobs);
    for (const engine::Job& job : jobs) {
      const engine::Evaluation result = engine::evaluate(job.logits, classes, labels);
      runs.accuracies.push_back(result.accuracy());
      runs.losses.push_back(result.loss);
    }
  }
  return runs;
}

MapMean map_mean(std::span<const double> values) {
  MapMean result;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  if (values.size() > 1) result.standard_error = std::sqrt(squares / (n - 1) / n);
  return result;
}

SensitivityReport measure_sensitivity(const std::shared_ptr<const net::Network>& network,
                                      engine::Engine& engine, const engine::ImageCodes& images,
                                      std::span<const uint16_t> labels,
                                      const SensitivityOptions& options) {
  FLATENN_CHECK(options.rate > 0 && options.rate <= 1, "sensitivity: rate must be in (0, 1], got ",
                options.rate);
  FLATENN_CHECK(options.trials >= 2, "sensitivity: at least 2 trials, got ", options.trials);
  return Campaign(network, engine, images, labels, options).run();
}

nlohmann::json to_json(const SensitivityCell& cell) {
  nlohmann::json json{{"stored_bits", cell.stored_bits},
                      {"accuracy_loss", cell.accuracy_loss.mean},
                      {"accuracy_loss_se", cell.accuracy_loss.standard_error},
                      {"loss_rise", cell.loss_rise.mean},
                      {"loss_rise_se", cell.loss_rise.standard_error}};
  if (cell.layer >= 0) json["layer"] = cell.layer_name;
  if (cell.bit >= 0) json["bit"] = cell.bit;
  return json;
}

nlohmann::json to_json(const SensitivityReport& report) {
  const auto group = [](const std::vector<SensitivityCell>& cells) {
    nlohmann::json list = nlohmann::json::array();
    for (const SensitivityCell& cell : cells) list.push_back(to_json(cell));
    return list;
  };
  return {{"golden_accuracy", report.golden_accuracy},
          {"golden_loss", report.golden_loss},
          {"images", report.images},
          {"layers", group(report.layers)},
          {"bits", group(report.bits)},
          {"cells", group(report.cells)}};
}

nlohmann::json to_json(const SensitivityReport& report, const SensitivityOptions& options) {
  nlohmann::json json = to_json(report);
  json["fault_kind"] = fault::to_string(options.kind);
  json["encoding"] = fault::to_string(options.encoding);
  json["rate"] = options.rate;
  json["trials"] = options.trials;
  json["seed"] = options.seed;
  return json;
}

}  // namespace flatenn::analysis
