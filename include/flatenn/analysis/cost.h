#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "flatenn/analysis/activation_profile.h"
#include "flatenn/analysis/hardware.h"
#include "flatenn/engine/engine.h"
#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// Cost of one image in one layer, a mean over the images measured.
struct LayerCost {
  std::string layer;
  bool reads_image = false;  ///< Its input is the image.
  double sparsity = 0;       ///< Share of zero codes in the layer's input.
  double dense_macs = 0;
  double effective_macs = 0;   ///< Neither on padding nor on zero codes.
  double activation_bits = 0;  ///< Input codes as stored, without coding.
  double bitmap_bits = 0;      ///< The same codes with bitmap coding.
  double run_length_bits = 0;  ///< The same codes with run-length coding.
  double traffic_bits = 0;     ///< What moves on this hardware: coded input read, output written.
  double cycles = 0;
  double busiest_lane_macs = 0;  ///< Done by the lane that the others wait for, mean over images.
  double mean_lane_macs = 0;     ///< Both are 0 on hardware without lanes.
  double compute_pj = 0;
  double buffer_pj = 0;
  double dram_pj = 0;

  double energy_pj() const { return compute_pj + buffer_pj + dram_pj; }
  /// Busiest lane over mean lane, each summed over images (and layers): 1 where lanes do not
  /// differ.
  double load_imbalance() const {
    return mean_lane_macs > 0 ? busiest_lane_macs / mean_lane_macs : 1;
  }
};

struct CostReport {
  std::string model;
  Hardware hardware;
  int64_t images = 0;
  std::vector<LayerCost> layers;

  /// Sums; sparsity weighted by dense MACs over the layers that read no image, as everywhere.
  LayerCost total() const;
  double latency_us() const;  ///< Of one image, layers one after the other.
};

/// Runs the fault-free network over all images and prices what it did. docs/cost.md has the
/// formulas.
CostReport estimate_cost(const net::Network& network, engine::Engine& engine,
                         const engine::ImageCodes& images, const Hardware& hardware);

/// The price of one layer from its counts (sums over images) and the coded bits of its input and
/// output (sums over images).
struct CodedTraffic {
  int64_t input_bits = 0;
  int64_t output_bits = 0;
};
LayerCost price_layer(const net::Network& network, const net::Layer& layer,
                      const Hardware& hardware, const LayerCounts& counts, CodedTraffic traffic);

nlohmann::json to_json(const CostReport& report);

}  // namespace flatenn::analysis
