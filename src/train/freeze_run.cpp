#include "train/freeze_run.h"

#include <cstdio>
#include <map>

#include "flatenn/engine/engine.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/engine/sparsity.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/train/freeze.h"

namespace flatenn::train {
namespace {

std::map<std::string, std::string> metadata_of(const TrainConfig& config) {
  return {{"dataset", config.data.name},
          {"recipe", config.recipe},
          {"activation", config.sparse() ? "sparse" : "standard"},
          {"seed", std::to_string(config.seed)}};
}

/// In the order of the network's layers.
LayerNumbers in_graph_order(const net::Network& network,
                            const std::map<std::string, double>& numbers) {
  LayerNumbers ordered;
  for (const net::Layer& layer : network.layers) {
    const auto found = numbers.find(layer.name);
    if (found != numbers.end()) ordered.emplace_back(*found);
  }
  return ordered;
}

std::string accuracy_text(double accuracy) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", accuracy);
  return text;
}

}  // namespace

FrozenFigures measure_frozen(std::shared_ptr<const net::Network> network,
                             const data::ImageSet& images, int64_t threads) {
  const auto codes = engine::quantize_images(images, *network);
  const auto engine = engine::make_engine(network, codes, {.threads = threads});
  const engine::Evaluation evaluation = engine::evaluate(
      engine::golden_logits(*engine, *network, *codes), network->classes(), images.labels);
  const engine::ActivationSparsity sparsity = engine::measure_sparsity(*engine, *network, *codes);
  return {.accuracy = evaluation.accuracy(),
          .loss = evaluation.loss,
          .sparsity = sparsity.network,
          .layer_sparsity = sparsity.layers};
}

RunResult freeze_run(const nn::ModelImpl& model, const TrainConfig& config,
                     const data::ImageSet& images, const std::filesystem::path& onnx) {
  FreezeResult frozen = freeze(
      model, {.name = config.name, .encoding = config.encoding, .metadata = metadata_of(config)});
  RunResult result;
  result.code_rms = in_graph_order(frozen.network, frozen.code_rms);
  result.warnings = frozen.warnings;

  auto network = std::make_shared<net::Network>(std::move(frozen.network));
  const FrozenFigures figures = measure_frozen(network, images, config.threads);
  result.accuracy = figures.accuracy;
  result.loss = figures.loss;
  result.sparsity = figures.sparsity;
  result.layer_sparsity = figures.layer_sparsity;

  network->metadata["accuracy"] = accuracy_text(result.accuracy);
  interop::write_onnx(*network, onnx);
  return result;
}

}  // namespace flatenn::train
