#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "flatenn/analysis/sensitivity.h"

namespace flatenn::analysis {

struct HardeningOptions {
  fault::FaultKind kind = fault::FaultKind::kBitFlip;
  fault::Encoding encoding = fault::Encoding::kTwosComplement;
  double rate = 0.01;            ///< Faults everywhere but in hardened bits, in (0, 1].
  double tolerated_drop = 0.01;  ///< Of mean accuracy.
  int64_t trials = 20;
  uint64_t seed = 1;
  PassObserver observer;
};

/// Throws Error where the rate is not in (0, 1] or the tolerated drop not in [0, 1).
void check(const HardeningOptions& options);

/// What a proposed plan runs on.
struct PlanTarget {
  std::string model;    ///< ONNX file, relative to the plan's folder.
  std::string dataset;  ///< Name.
};

/// First lines of a proposed plan: name, model, images, rate, trials and seed.
std::string plan_head(const std::string& name, const PlanTarget& target,
                      const HardeningOptions& options);

/// One more layer x bit cell made fault-free.
struct HardeningStep {
  std::string layer;  ///< "" for the first point, where nothing is hardened.
  int bit = -1;
  int64_t hardened_bits = 0;  ///< All so far.
  double hardened_share = 0;  ///< Of the weight memory.
  MapMean accuracy;
};

struct HardeningCurve {
  double golden_accuracy = 0;
  bool reached = false;  ///< The last step is within the tolerated drop.
  std::vector<HardeningStep> steps;
};

/// Hardens layer x bit cells, greatest measured accuracy loss per stored bit first, until the mean
/// accuracy is back within the tolerated drop. Every step is measured on common fault maps.
HardeningCurve harden_greedily(const std::shared_ptr<const net::Network>& network,
                               engine::Engine& engine, const engine::ImageCodes& images,
                               std::span<const uint16_t> labels,
                               const SensitivityReport& sensitivity,
                               const HardeningOptions& options);

/// The faults that are left when the cells of the first `steps` steps are hardened: one source a
/// layer.
fault::FaultModel hardened_model(const net::Network& network, const HardeningCurve& curve,
                                 int64_t steps, const HardeningOptions& options);

/// A plan for `flatenn campaign` that runs the hardened memory. Throws Error where every bit is
/// hardened, so that no faults are left to run.
std::string hardening_plan_toml(const net::Network& network, const PlanTarget& target,
                                const HardeningCurve& curve, const HardeningOptions& options);

nlohmann::json to_json(const HardeningCurve& curve);

}  // namespace flatenn::analysis
