#pragma once

#include <map>
#include <string>
#include <vector>

#include "flatenn/fault/encoding.h"
#include "flatenn/net/network.h"
#include "flatenn/nn/model.h"

namespace flatenn::train {

struct FreezeOptions {
  std::string name = "model";
  /// kSignMagnitude has no word for -2^(b-1): such codes saturate to -(2^(b-1) - 1) and are
  /// counted.
  fault::Encoding encoding = fault::Encoding::kTwosComplement;
  std::map<std::string, std::string> metadata;  ///< Added to the network's.
};

struct FreezeResult {
  net::Network network;
  int64_t saturated_codes = 0;             ///< Changed for kSignMagnitude.
  std::map<std::string, double> code_rms;  ///< Root mean square of the values v, by layer.
  /// One line each: a clamped bias or batch norm factor with layer and channel, a layer whose code
  /// rms is under 1 or over half its range.
  std::vector<std::string> warnings;
};

/// The frozen network of a quantized model: codes, scales with batch norm inside, rounded biases.
/// Throws Error where the model is not quantized or not calibrated, or holds values that are not
/// finite.
FreezeResult freeze(const nn::ModelImpl& model, const FreezeOptions& options = {});

}  // namespace flatenn::train
