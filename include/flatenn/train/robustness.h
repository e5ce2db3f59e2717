#pragma once

#include <cstdint>
#include <string>

#include "flatenn/fault/fault_map.h"

/// What a training may do for fault tolerance besides a flat minimum; all of it off by default, and
/// any of it beside any optimizer. docs/recipes.md has formulas, sources and costs.
namespace flatenn::train {

/// Random bit errors in the stored weights of every step (Stutz et al., arXiv:2104.08323).
struct RandomFaultOptions {
  double rate = 0;  ///< Bit error rate p that the curriculum reaches, in [0, 1]; 0: none.
  fault::FaultKind kind = fault::FaultKind::kBitFlip;
  double share = 0.5;      ///< Of the faulty gradient in the step's, in (0, 1].
  double from_epoch = 0;   ///< None before it.
  double ramp_epochs = 0;  ///< The rate rises linearly from 0 over so many epochs.

  /// The rate of a step that begins after `epochs` epochs: rate * min(1, (epochs - from_epoch) /
  /// ramp_epochs), 0 before from_epoch.
  double rate_at(double epochs) const;
};

/// Where weights and their codes may lie.
struct WeightRangeOptions {
  double limit = 0;    ///< Latent weights are clipped to [-limit, limit] after a step; 0: never.
  double penalty = 0;  ///< Strength of sum over layers of alpha^2, alpha the largest weight's size.
  double code_rms =
      0;  ///< Wanted rms of each layer's codes as a share of half their range; 0: any.
  double code_rms_strength = 0.01;  ///< Of the pull towards it.
};

struct RobustnessOptions {
  RandomFaultOptions random_faults;
  std::string defects;  ///< File with one chip's defects, present in every pass; empty: none.
  WeightRangeOptions weights;
  double activation_noise = 0;  ///< Deviation as a share of an activation's range; 0: none.
};

}  // namespace flatenn::train
