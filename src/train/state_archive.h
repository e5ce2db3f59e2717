#pragma once

#include <torch/serialize/archive.h>
#include <torch/types.h>

#include <map>
#include <string>

#include "flatenn/nn/model.h"

/// Named tensors in a LibTorch archive, as one Dict[str, Tensor] (readable from Python too).
namespace flatenn::train {

using NamedTensors = std::map<std::string, torch::Tensor>;

void write_state(torch::serialize::OutputArchive& archive, const std::string& key,
                 const NamedTensors& state);
/// Throws Error naming the key where it is missing or of another type.
NamedTensors read_state(torch::serialize::InputArchive& archive, const std::string& key);
c10::IValue read_value(torch::serialize::InputArchive& archive, const std::string& key);

/// Copies every parameter and buffer, exactly. Throws Error naming a tensor that is missing or has
/// another shape.
void load_state(nn::ModelImpl& model, const NamedTensors& state);

}  // namespace flatenn::train
