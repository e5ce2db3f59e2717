#pragma once

#include <torch/serialize/archive.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "flatenn/nn/model.h"
#include "flatenn/nn/runtime.h"
#include "train/loop.h"

namespace flatenn::train {

/// The network that a run folder's training started from, where it was given one.
inline constexpr const char* kGivenNetworkFile = "imported.onnx";

/// What a checkpoint holds besides the trainer's state.
struct CheckpointHeader {
  std::string config;      ///< Every key with the value used, JSON.
  nn::ModelOptions model;  ///< Of which what the data set decides is stored.
  nn::Runtime runtime;
  std::string device;
  std::string train_hash;    ///< Content hash of the images trained on.
  std::string started;       ///< When the first session began.
  double seconds = 0;        ///< Of training so far.
  double epoch_seconds = 0;  ///< Of training in the epoch that the position lies in.
};

/// Replaces checkpoint.pt in one step, so that a crash leaves the old one or the new one.
void write_checkpoint(const std::filesystem::path& path, const CheckpointHeader& header,
                      const Trainer& trainer);

/// Opens a checkpoint; the archive then gives the trainer its state. Throws Error naming the file.
CheckpointHeader read_checkpoint(const std::filesystem::path& path,
                                 torch::serialize::InputArchive& archive);

/// A configuration with these keys, as write_checkpoint() and run.json store it.
Config config_from_json(const nlohmann::json& resolved, const std::string& name);

/// "train.epochs: 15 before, 20 now" for the first key that differs, else empty. name,
/// train.threads and warm_start.run (whose weights are in the checkpoint) may differ.
std::string config_difference(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace flatenn::train
