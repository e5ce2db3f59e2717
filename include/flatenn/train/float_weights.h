#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "flatenn/nn/model.h"

/// Float weights as safetensors: from other libraries, and to them.
namespace flatenn::train {

/// Parameters and batch norm for `model` from a safetensors file, by its own names or those of
/// torchvision, timm or Keras (interop/weight_names.h), as a state for nn::warm_start. Quantizers'
/// scales come along where the file is one of write_float_weights(). The mapping, and tensors of
/// the file that are not used, go to the log. Throws Error naming the file, and the tensors that
/// are missing or of another shape; with `partial` those keep the model's values, which is logged.
std::map<std::string, torch::Tensor> read_float_weights(const nn::ModelImpl& model,
                                                        const std::filesystem::path& file,
                                                        bool partial = false);

/// The parameters and buffers of a run folder (averages where it kept them) under their own names:
/// "<layer>.weight", ".bias", ".gamma", ".beta", ".running_mean", ".running_var" and quantizers'
/// scales; float32, flags as U8. Returns how many.
int64_t write_float_weights(const std::filesystem::path& run, const std::filesystem::path& file);

}  // namespace flatenn::train
