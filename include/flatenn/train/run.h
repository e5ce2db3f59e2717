#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "flatenn/base/config.h"
#include "flatenn/net/network.h"
#include "flatenn/train/records.h"

namespace flatenn::train {

struct RunData;

struct TrainRequest {
  std::filesystem::path out;  ///< Run folder; made where it does not exist.
  std::string data_root;      ///< See data::resolve_data_root().
  bool resume = false;        ///< Go on from the folder's checkpoint; start anew where it has none.
  std::string device = "cpu";  ///< "cpu" or "cuda".
  bool deterministic = false;  ///< cuda: only algorithms that give the same bits every time.
  bool quiet = false;          ///< No progress line.
  /// Told after every step of how many images there were, where a caller shows progress itself.
  std::function<void(int64_t)> on_images;
  /// Fine-tune this network in place of one that the configuration describes. The run folder keeps
  /// it as imported.onnx.
  std::shared_ptr<const net::Network> network;
  /// The images, where a caller has loaded what the configuration's [data] asks for; else null.
  std::shared_ptr<const RunData> data;
  /// Asked after every step; true saves a checkpoint and ends the training there.
  std::function<bool()> stop_requested;
};

struct TrainOutcome {
  RunStatus status = RunStatus::kFinished;
  std::optional<RunResult> result;  ///< Where it finished.
};

/// Trains as the configuration says, freezes, measures the frozen network, and fills the run folder
/// (docs/formats.md). A checkpoint is written at the start, after epochs (writing takes at most a
/// twentieth of the time), and where the training is stopped; resumed, it ends with the same
/// weights bit for bit as an uninterrupted one on an equal runtime, and warns where the runtime
/// differs.
///
/// Throws Error for bad configuration or data, for a folder that holds a training already (without
/// resume), for a resume under another configuration or from another network, and where the loss is
/// not finite; in this last case run.json says "diverged" and the last good checkpoint stays.
TrainOutcome run_training(Config config, const TrainRequest& request);

}  // namespace flatenn::train
