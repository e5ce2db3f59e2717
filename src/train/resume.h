#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "flatenn/nn/runtime.h"
#include "train/checkpoint_file.h"

namespace flatenn::train {

/// Warns where LibTorch, instruction set, threads or device are not those of the session before.
void warn_if_runtime_differs(const CheckpointHeader& before, const nn::Runtime& now,
                             const std::string& device);

/// SHA-256 over names and bytes of tensors.
std::string hash_of_state(const std::map<std::string, torch::Tensor>& state);

/// What an earlier session of this training wrote down; empty where it did not.
std::string warm_start_hash_in(const std::filesystem::path& run_json);

}  // namespace flatenn::train
