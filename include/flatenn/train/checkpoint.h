#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "flatenn/nn/model.h"
#include "flatenn/train/config.h"

namespace flatenn::train {

/// A trained network as a run folder holds it.
struct LoadedRun {
  TrainConfig config;
  nn::Model model{nullptr};  ///< On the CPU, in evaluation mode; averaged weights where config.ema.
};

/// Reads checkpoint.pt of a run folder. Throws Error naming the file where it is missing, damaged
/// or of another version.
LoadedRun load_run(const std::filesystem::path& folder);

/// Parameters and buffers of a run by name: the averages where it kept them.
std::map<std::string, torch::Tensor> load_run_state(const std::filesystem::path& folder);

}  // namespace flatenn::train
