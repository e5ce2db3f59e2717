#include <algorithm>

#include "engine/lanes/runner.h"

namespace flatenn::engine::lanes {
namespace {

int64_t readers_of(const net::Network& network, int64_t activation) {
  return std::count_if(network.layers.begin(), network.layers.end(), [&](const net::Layer& layer) {
    return layer.src == activation || layer.skip == activation;
  });
}

/// The max-pool that can run on the accumulators of layer `index`: the only reader, with windows
/// that do not overlap. A residual is added after pooling would have to be, so it prevents that.
const net::Layer* fusible_pool(const net::Network& network, int64_t index) {
  const net::Layer& layer = network.layers[static_cast<size_t>(index)];
  if (layer.kind != net::LayerKind::kConv || layer.skip >= 0) return nullptr;
  if (readers_of(network, layer.dst) != 1) return nullptr;
  for (const net::Layer& other : network.layers) {
    if (other.src == layer.dst && other.kind == net::LayerKind::kMaxPool &&
        other.kernel() == other.stride() && other.pad() == 0) {
      return &other;
    }
  }
  return nullptr;
}

}  // namespace

int64_t layer_of(const Step& step) {
  return std::visit([](const auto& plan) { return plan.layer; }, step);
}

int64_t dst_of(const Step& step, const net::Network& network) {
  if (const auto* plan = std::get_if<LayerPlan>(&step)) return plan->dst;
  return network.layers[static_cast<size_t>(layer_of(step))].dst;
}

Program make_program(const net::Network& network, const std::vector<Layout>& layouts,
                     int64_t lane_groups, const FewestChannels& fewest) {
  Program program;
  std::vector<const net::Layer*> done;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const net::Layer& layer = network.layers[i];
    if (!layer.multiplies()) {
      program.plain.emplace_back(make_pool_plan(network, index));
      if (std::find(done.begin(), done.end(), &layer) == done.end()) {
        program.fused.emplace_back(make_pool_plan(network, index));
      }
      continue;
    }
    const net::Layer* pool = fusible_pool(network, index);
    const int64_t narrow = std::min(layer.weights.in_channels, layer.weights.out_channels);
    if (narrow >= fewest.tiles && pool == nullptr && tiles_fit(network, layer)) {
      program.plain.emplace_back(make_tiled_plan(network, layouts, index));
      program.fused.push_back(program.plain.back());
      continue;
    }
    const bool many = layer.weights.in_channels >= fewest.winograd;
    if (many && pool == nullptr && winograd_fits(network, layer)) {
      program.plain.emplace_back(make_winograd_plan(network, layouts, index));
      program.fused.push_back(program.plain.back());
      continue;
    }
    program.plain.emplace_back(make_plan(network, layouts, index, nullptr, lane_groups));
    program.fused.emplace_back(make_plan(network, layouts, index, pool, lane_groups));
    if (pool != nullptr) done.push_back(pool);
  }
  return program;
}

Workspace::Workspace(const Program& program, const std::vector<Layout>& layouts,
                     int64_t lane_groups, int64_t classes)
    : golden(layouts, lane_groups),
      faulty(layouts, lane_groups),
      logits(static_cast<size_t>(lane_groups * kLanes * classes)) {
  int64_t words = 0;
  int64_t outputs = 0;
  int64_t transformed = 0;
  for (const auto* steps : {&program.fused, &program.plain}) {
    for (const Step& step : *steps) {
      if (const auto* plan = std::get_if<LayerPlan>(&step)) {
        words = std::max(words, plan->max_slots * kLanes * kMaxBlock);
      } else if (const auto* winograd = std::get_if<WinogradPlan>(&step)) {
        words = std::max(words, winograd->sum_words());
        outputs = std::max(outputs, winograd->output_words());
        transformed = std::max(transformed, winograd->transformed_bytes());
      } else if (std::holds_alternative<TiledPlan>(step)) {
        words = std::max(words, 2 * TiledPlan::sum_words());
      }
    }
  }
  scratch.acc.resize(static_cast<size_t>(words));
  scratch.outputs.resize(static_cast<size_t>(outputs));
  scratch.transformed = std::make_unique<AlignedBytes>(transformed, uint8_t{0});
}

}  // namespace flatenn::engine::lanes
