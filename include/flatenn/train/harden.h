#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/base/config.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/net/network.h"
#include "flatenn/train/run.h"

/// Fine-tuning of networks that were not trained here, so that they stand faults better.
namespace flatenn::train {

struct HardenRequest {
  /// network is the one to harden; the run folder takes model.onnx and faults.db besides what a
  /// training leaves there.
  TrainRequest training;
  /// The campaign's plan, whose models, data and images are these; empty: bit flips at rates of
  /// 0.001 and 0.01.
  std::filesystem::path plan;
  int64_t trials = 0;  ///< Of each cell; 0: the plan's, or 30 without one.
  int64_t images = 0;  ///< The first n of the evaluated images for the campaign; 0: all.
  std::string command_line;
};

/// A network as the engine runs it.
struct HardenFigures {
  double accuracy = 0;  ///< In [0, 1].
  double loss = 0;      ///< Mean cross-entropy.
  double sparsity = 0;  ///< Share of zeros that multiplying layers read, weighted by MACs.
};

/// Accuracy under one fault kind at one level, [0, 1], each with its 95 % interval.
struct HardenCell {
  std::string kind;   ///< "bit_flip"
  std::string level;  ///< "0.01"
  int64_t trials = 0;
  double before = 0;
  campaign::Interval before_ci;
  double after = 0;
  campaign::Interval after_ci;
  double change = 0;  ///< after - before on the same fault maps.
  campaign::Interval change_ci;
};

struct HardenOutcome {
  RunStatus status = RunStatus::kFinished;
  HardenFigures before;
  HardenFigures after;
  std::vector<HardenCell> cells;   ///< Empty where it was interrupted before all were there.
  std::vector<std::string> notes;  ///< One line each: what of the network trains otherwise.
  RunResult training;
};

/// What of a network trains otherwise than its weights: tables, scales that stay; one line each.
/// Throws Error naming the layer where nothing can be trained.
std::vector<std::string> training_notes(const net::Network& network, bool keep_scales);

/// Sets what a configuration leaves open to what suits fine-tuning: docs/howto/harden.md lists it.
void set_harden_defaults(Config& config, const net::Network& network);

/// Trains the network that is given as run_training() does, freezes it to the same layers, bits and
/// zero points, and measures both under the plan's faults.
///
/// Throws what run_training() throws, and where images, labels or plan do not fit.
HardenOutcome harden(Config config, const HardenRequest& request);

}  // namespace flatenn::train
