#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/nn/model.h"

namespace flatenn::train {

/// What is wrong with a layer whose codes of `bits` bits have this root mean square of their values
/// v, or "" where they use their word:
///  - under 1, or under an eighth of half the range: a flip of the top bit changes a weight by more
///    than eight times the weights' own rms;
///  - over half the range: most codes are clipped.
std::string judge_code_rms(const std::string& layer, int64_t bits, net::ValueMap map, double rms);

/// The same for each layer of a quantized model as it is now, in graph order; one line each.
std::vector<std::string> code_range_warnings(const nn::ModelImpl& model);

}  // namespace flatenn::train
