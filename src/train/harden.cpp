#include "flatenn/train/harden.h"

#include <algorithm>

#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/interop/onnx.h"
#include "train/freeze_run.h"
#include "train/harden_faults.h"
#include "train/run_data.h"

namespace flatenn::train {
namespace {

HardenFigures figures_of(const FrozenFigures& frozen) {
  return {.accuracy = frozen.accuracy, .loss = frozen.loss, .sparsity = frozen.sparsity};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// For each activation whether the logits depend on it.
std::vector<bool> activations_in_use(const net::Network& network) {
  std::vector<bool> used(network.activations.size(), false);
  used[static_cast<size_t>(network.layers.back().dst)] = true;
  for (auto layer = network.layers.rbegin(); layer != network.layers.rend(); ++layer) {
    if (!used[static_cast<size_t>(layer->dst)]) continue;
    for (const int64_t input : layer->inputs()) used[static_cast<size_t>(input)] = true;
  }
  return used;
}

void check_trainable(const net::Network& network) {
  const std::vector<bool> used = activations_in_use(network);
  int64_t trained = 0;
  for (const net::Layer& layer : network.layers) {
    if (!layer.multiplies()) continue;
    FLATENN_CHECK(used[static_cast<size_t>(layer.dst)], "network ", network.name, ": layer ",
                  layer.name, " (", net::kind_name(layer.kind),
                  ") has no gradient: the answer does not depend on it");
    ++trained;
  }
  FLATENN_CHECK(trained > 0, "network ", network.name,
                ": has no layer with weights, so nothing can be trained");
}

}  // namespace

std::vector<std::string> training_notes(const net::Network& network, bool keep_scales) {
  check_trainable(network);
  std::vector<std::string> tables;
  int64_t fixed_point = 0;
  for (const net::Layer& layer : network.layers) {
    if (layer.kind == net::LayerKind::kTable) tables.push_back(layer.name);
    if (layer.in_fixed_point()) ++fixed_point;
  }
  std::vector<std::string> notes;
  if (!tables.empty()) {
    notes.push_back(
        "tables of codes have no gradient of their own: it passes straight through, "
        "times the slope of the table: " +
        joined(tables));
    if (!keep_scales) notes.push_back("scales beside these tables stay as they are");
  }
  if (fixed_point > 0)
    notes.push_back(detail::concat(fixed_point,
                                   " layers round in fixed point: training rounds "
                                   "them in float, evaluation as the file says"));
  return notes;
}

void set_harden_defaults(Config& config, const net::Network& network) {
  const auto set = [&](const std::string& key, const std::string& value) {
    if (!config.has(key)) config.set(key + "=" + value);
  };
  set("optimizer.kind", "\"saq\"");
  set("optimizer.clip_norm", "1.0");
  if (!config.has("sharpness.rho_relative")) set("sharpness.rho", "0.2");
  set("train.epochs", "5");
  const auto encoding = network.metadata.find("encoding");
  if (encoding != network.metadata.end()) set("freeze.encoding", "\"" + encoding->second + "\"");
}

HardenOutcome harden(Config config, const HardenRequest& request) {
  const std::shared_ptr<const net::Network>& network = request.training.network;
  FLATENN_CHECK(network != nullptr, "harden: no network was given");
  if (!request.plan.empty()) Config::from_file(request.plan);  // sooner than after the training
  set_harden_defaults(config, *network);
  const TrainConfig settings = read_train_config(config, Structure::kGiven);
  HardenOutcome outcome;
  outcome.notes = training_notes(*network, settings.model.keep_scales);
  for (const std::string& note : outcome.notes) log::info(note);

  TrainRequest training = request.training;
  if (!training.data) {
    if (data::is_known_data(settings.data.name))  // sooner than reading it
      check_shape(*network, data::find_data_set(settings.data.name));
    training.data = std::make_shared<const RunData>(
        load_run_data(settings.data, data::resolve_data_root(training.data_root),
                      {.stop_requested = training.stop_requested}));
  }
  check_images(*network, *training.data);
  outcome.before = figures_of(measure_frozen(network, training.data->test, settings.threads));

  const TrainOutcome trained = run_training(std::move(config), training);
  outcome.status = trained.status;
  if (trained.status != RunStatus::kFinished) return outcome;
  outcome.training = *trained.result;
  outcome.after = {.accuracy = trained.result->accuracy,
                   .loss = trained.result->loss,
                   .sparsity = trained.result->sparsity};
  const std::shared_ptr<const data::ImageSet> test(training.data, &training.data->test);
  outcome.cells = compare_under_faults(request, test, settings.data.name);
  if (outcome.cells.empty()) outcome.status = RunStatus::kInterrupted;
  return outcome;
}

}  // namespace flatenn::train
