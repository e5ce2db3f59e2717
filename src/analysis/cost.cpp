#include "flatenn/analysis/cost.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace flatenn::analysis {
namespace {

constexpr int64_t kChunkImages = 200;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Arrays a layer's weights fill, and the columns of all of them together.
struct ArrayMapping {
  int64_t row_tiles;
  int64_t columns;
  int64_t tiles;
};

ArrayMapping map_to_arrays(const net::Layer& layer, const Hardware& hardware) {
  const int64_t slices = ceil_div(layer.weights.bits, hardware.bits_per_cell);
  ArrayMapping mapping{};
  mapping.row_tiles = ceil_div(layer.weights.fan_in(), hardware.rows);
  mapping.columns = layer.weights.out_channels * slices * (hardware.differential ? 2 : 1);
  mapping.tiles = mapping.row_tiles * ceil_div(mapping.columns, hardware.columns);
  return mapping;
}

double digital_compute_pj(const net::Layer& layer, int activation_bits, double macs,
                          const EnergyTable& energy) {
  const double scale = layer.weights.bits * activation_bits / 64.0;
  return macs * (energy.multiply_8bit_pj * scale + energy.add_32bit_pj);
}

void price_digital(const net::Layer& layer, int activation_bits, const Hardware& hardware,
                   const LayerCounts& counts, LayerCost& cost) {
  const bool skips = hardware.kind == HardwareKind::kZeroSkipping;
  const auto images = static_cast<double>(counts.images);
  const double macs = skips ? cost.effective_macs : cost.dense_macs;
  const auto lanes = static_cast<double>(hardware.lanes);
  const double busiest =
      skips ? static_cast<double>(counts.slowest_lane_macs) / images : macs / lanes;
  cost.cycles = busiest / static_cast<double>(hardware.macs_per_lane) +
                static_cast<double>(hardware.layer_overhead_cycles);
  cost.busiest_lane_macs = busiest;
  cost.mean_lane_macs = macs / lanes;
  cost.compute_pj = digital_compute_pj(layer, activation_bits, macs, hardware.energy);
  const double operand_bits =
      macs * (layer.weights.bits + activation_bits) / static_cast<double>(hardware.operand_reuse);
  const auto weight_bits = static_cast<double>(layer.weights.elements() * layer.weights.bits);
  cost.buffer_pj = operand_bits * hardware.energy.buffer_pj_per_bit;
  cost.dram_pj =
      weight_bits / static_cast<double>(hardware.weight_batch) * hardware.energy.dram_pj_per_bit;
}

void price_in_memory(const net::Layer& layer, int activation_bits, int64_t positions,
                     const Hardware& hardware, const LayerCounts& counts, LayerCost& cost) {
  const ArrayMapping mapping = map_to_arrays(layer, hardware);
  const auto reads = static_cast<double>(positions * activation_bits);
  const auto columns = static_cast<double>(mapping.columns);
  const double driven =
      static_cast<double>(counts.row_activations) / static_cast<double>(counts.images);
  cost.cycles = reads * static_cast<double>(ceil_div(mapping.tiles, hardware.arrays)) +
                static_cast<double>(hardware.layer_overhead_cycles);
  cost.compute_pj =
      reads * columns * static_cast<double>(mapping.row_tiles) * hardware.energy.adc_pj +
      driven * (hardware.energy.row_pj + columns * hardware.energy.cell_pj);
}

void charge_move(const Hardware& hardware, double bits, bool off_chip, LayerCost& cost) {
  if (off_chip) {
    cost.dram_pj += bits * hardware.energy.dram_pj_per_bit;
  } else {
    cost.buffer_pj += bits * hardware.energy.buffer_pj_per_bit;
  }
}

const net::Activation& activation(const net::Network& network, int64_t index) {
  return network.activations[static_cast<size_t>(index)];
}

/// The memory tensor that a layer's output ends in: what the next multiplying layer reads, after
/// any pooling in between.
int64_t stored_output(const net::Network& network, const net::Layer& layer) {
  int64_t dst = layer.dst;
  for (const net::Layer& later : network.layers) {
    if (later.src == dst && !later.multiplies()) dst = later.dst;
  }
  return dst;
}

/// Sums over images of the coded bits of every activation that moves.
class TrafficCounter {
 public:
  TrafficCounter(const net::Network& network, const Hardware& hardware)
      : network_(network), hardware_(hardware), bits_(network.activations.size()) {}

  void add_image(int64_t index, std::span<const int16_t> codes) {
    const int bits = activation(network_, index).bits;
    Bits& sum = bits_[static_cast<size_t>(index)];
    const auto count = [&](ActivationCoding coding) {
      return coded_bits(codes, bits, coding, hardware_.run_bits);
    };
    sum.bitmap += count(ActivationCoding::kBitmap);
    sum.run_length += count(ActivationCoding::kRunLength);
    sum.stored += count(hardware_.coding);
  }

  struct Bits {
    int64_t bitmap = 0;
    int64_t run_length = 0;
    int64_t stored = 0;
  };
  const Bits& of(int64_t index) const { return bits_[static_cast<size_t>(index)]; }

 private:
  const net::Network& network_;
  const Hardware& hardware_;
  std::vector<Bits> bits_;
};

/// Activations that lie in memory between layers: inputs of multiplying layers and skips.
std::vector<int64_t> stored_activations(const net::Network& network) {
  std::vector<int64_t> stored;
  for (const net::Layer& layer : network.layers) {
    if (!layer.multiplies()) continue;
    stored.push_back(layer.src);
    if (layer.skip >= 0) stored.push_back(layer.skip);
  }
  std::sort(stored.begin(), stored.end());
  stored.erase(std::unique(stored.begin(), stored.end()), stored.end());
  return stored;
}

CodedTraffic traffic_of(const net::Network& network, const net::Layer& layer,
                        const TrafficCounter& counter, int64_t images) {
  CodedTraffic traffic;
  traffic.input_bits = counter.of(layer.src).stored;
  if (layer.skip >= 0) traffic.input_bits += counter.of(layer.skip).stored;
  const int64_t output = stored_output(network, layer);
  const net::Activation& written = activation(network, output);
  constexpr int64_t kFloatBits = 32;
  traffic.output_bits =
      written.is_float ? images * written.shape.elements() * kFloatBits : counter.of(output).stored;
  return traffic;
}

}  // namespace

LayerCost price_layer(const net::Network& network, const net::Layer& layer,
                      const Hardware& hardware, const LayerCounts& counts, CodedTraffic traffic) {
  const auto images = static_cast<double>(counts.images);
  const net::Activation& input = activation(network, layer.src);
  LayerCost cost;
  cost.layer = layer.name;
  cost.reads_image = layer.src == 0;
  cost.sparsity = static_cast<double>(counts.zeros) / static_cast<double>(counts.elements);
  cost.dense_macs = static_cast<double>(counts.dense_macs) / images;
  cost.effective_macs = static_cast<double>(counts.effective_macs()) / images;
  cost.activation_bits = static_cast<double>(counts.elements * input.bits) / images;
  cost.traffic_bits = static_cast<double>(traffic.input_bits + traffic.output_bits) / images;
  if (hardware.kind == HardwareKind::kInMemory) {
    price_in_memory(layer, input.bits, window_uses(network, layer).output_positions, hardware,
                    counts, cost);
  } else {
    price_digital(layer, input.bits, hardware, counts, cost);
  }
  // The image always comes from off chip.
  charge_move(hardware, static_cast<double>(traffic.input_bits) / images,
              hardware.activations_off_chip || layer.src == 0, cost);
  charge_move(hardware, static_cast<double>(traffic.output_bits) / images,
              hardware.activations_off_chip, cost);
  return cost;
}

CostReport estimate_cost(const net::Network& network, engine::Engine& engine,
                         const engine::ImageCodes& images, const Hardware& hardware) {
  std::vector<const net::Layer*> layers;
  std::vector<LayerProfiler> profilers;
  for (const net::Layer& layer : network.layers) {
    if (!layer.multiplies()) continue;
    layers.push_back(&layer);
    profilers.emplace_back(network, layer, hardware);
  }
  TrafficCounter counter(network, hardware);
  std::vector<int64_t> chunk;
  for (int64_t start = 0; start < images.count; start += kChunkImages) {
    chunk.resize(static_cast<size_t>(std::min(kChunkImages, images.count - start)));
    std::iota(chunk.begin(), chunk.end(), start);
    engine::Job job;
    job.images = chunk;
    for (const int64_t index : stored_activations(network)) {
      const std::vector<int16_t> codes = engine.codes(job, index);
      const auto size = static_cast<size_t>(activation(network, index).shape.elements());
      for (size_t image = 0; image < chunk.size(); ++image) {
        const std::span<const int16_t> one(codes.data() + image * size, size);
        counter.add_image(index, one);
        for (size_t i = 0; i < layers.size(); ++i) {
          if (layers[i]->src == index) profilers[i].add_image(one);
        }
      }
    }
  }
  CostReport report{
      .model = network.name, .hardware = hardware, .images = images.count, .layers = {}};
  for (size_t i = 0; i < layers.size(); ++i) {
    LayerCost cost = price_layer(network, *layers[i], hardware, profilers[i].counts(),
                                 traffic_of(network, *layers[i], counter, images.count));
    const auto& bits = counter.of(layers[i]->src);
    cost.bitmap_bits = static_cast<double>(bits.bitmap) / static_cast<double>(images.count);
    cost.run_length_bits = static_cast<double>(bits.run_length) / static_cast<double>(images.count);
    report.layers.push_back(cost);
  }
  return report;
}

LayerCost CostReport::total() const {
  LayerCost sum;
  sum.layer = "total";
  double zero_weight = 0, weight = 0;
  for (const LayerCost& cost : layers) {
    sum.dense_macs += cost.dense_macs;
    sum.effective_macs += cost.effective_macs;
    sum.activation_bits += cost.activation_bits;
    sum.bitmap_bits += cost.bitmap_bits;
    sum.run_length_bits += cost.run_length_bits;
    sum.traffic_bits += cost.traffic_bits;
    sum.cycles += cost.cycles;
    sum.compute_pj += cost.compute_pj;
    sum.buffer_pj += cost.buffer_pj;
    sum.dram_pj += cost.dram_pj;
    sum.busiest_lane_macs += cost.busiest_lane_macs;
    sum.mean_lane_macs += cost.mean_lane_macs;
    if (cost.reads_image) continue;
    zero_weight += cost.sparsity * cost.dense_macs;
    weight += cost.dense_macs;
  }
  sum.sparsity = weight > 0 ? zero_weight / weight : 0;
  return sum;
}

double CostReport::latency_us() const { return total().cycles / hardware.clock_mhz; }

namespace {

nlohmann::json layer_json(const LayerCost& cost) {
  return {{"layer", cost.layer},
          {"reads_image", cost.reads_image},
          {"sparsity", cost.sparsity},
          {"dense_macs", cost.dense_macs},
          {"effective_macs", cost.effective_macs},
          {"activation_bits", cost.activation_bits},
          {"bitmap_bits", cost.bitmap_bits},
          {"run_length_bits", cost.run_length_bits},
          {"traffic_bits", cost.traffic_bits},
          {"cycles", cost.cycles},
          {"busiest_lane_macs", cost.busiest_lane_macs},
          {"mean_lane_macs", cost.mean_lane_macs},
          {"load_imbalance", cost.load_imbalance()},
          {"compute_pj", cost.compute_pj},
          {"buffer_pj", cost.buffer_pj},
          {"dram_pj", cost.dram_pj},
          {"energy_pj", cost.energy_pj()}};
}

}  // namespace

nlohmann::json to_json(const CostReport& report) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerCost& cost : report.layers) layers.push_back(layer_json(cost));
  return {{"model", report.model},
          {"hardware", report.hardware.name},
          {"kind", to_string(report.hardware.kind)},
          {"coding", to_string(report.hardware.coding)},
          {"images", report.images},
          {"latency_us", report.latency_us()},
          {"layers", layers},
          {"total", layer_json(report.total())}};
}

}  // namespace flatenn::analysis
