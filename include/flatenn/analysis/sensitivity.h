#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "flatenn/engine/engine.h"
#include "flatenn/fault/fault_model.h"
#include "flatenn/fault/injector.h"
#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// Told after each batch of passes how many are done, of how many.
using PassObserver = std::function<void(int64_t done, int64_t total)>;

struct SensitivityOptions {
  fault::FaultKind kind = fault::FaultKind::kBitFlip;
  fault::Encoding encoding = fault::Encoding::kTwosComplement;
  double rate = 0.05;  ///< Of the bits of a cell, in (0, 1].
  int64_t trials = 20;
  uint64_t seed = 0;
  PassObserver observer;
};

/// A mean over fault maps and its standard error.
struct MapMean {
  double mean = 0;
  double standard_error = 0;
};

/// Faults confined to one layer, one bit position, or one bit position of one layer.
struct SensitivityCell {
  int64_t layer = -1;  ///< Index into Network::layers; -1: all layers.
  std::string layer_name;
  int bit = -1;  ///< -1: all positions.
  int64_t stored_bits = 0;
  MapMean accuracy_loss;  ///< Golden accuracy minus faulty, share of images.
  MapMean loss_rise;      ///< Mean cross-entropy above golden.
};

struct SensitivityReport {
  double golden_accuracy = 0;
  double golden_loss = 0;
  int64_t images = 0;
  std::vector<SensitivityCell> layers;
  std::vector<SensitivityCell> bits;
  std::vector<SensitivityCell> cells;  ///< Layer x bit, layers in graph order, bit 0 first.
};

/// Measures what random faults of each layer, bit position and layer x bit cost. Cells meet the
/// faults that the full map of the same (seed, trial, rate) has there.
SensitivityReport measure_sensitivity(const std::shared_ptr<const net::Network>& network,
                                      engine::Engine& engine, const engine::ImageCodes& images,
                                      std::span<const uint16_t> labels,
                                      const SensitivityOptions& options);

/// Runs fault maps of one model of faults and summarizes them. The engine's network must be
/// injector.network().
struct FaultyRuns {
  std::vector<double> accuracies;
  std::vector<double> losses;
};
FaultyRuns run_trials(const fault::Injector& injector, engine::Engine& engine,
                      const engine::ImageCodes& images, std::span<const uint16_t> labels,
                      double rate, uint64_t seed, int64_t trials);

MapMean map_mean(std::span<const double> values);
nlohmann::json to_json(const SensitivityCell& cell);
nlohmann::json to_json(const SensitivityReport& report);
/// The same with how it was measured.
nlohmann::json to_json(const SensitivityReport& report, const SensitivityOptions& options);

}  // namespace flatenn::analysis
