#include "train/code_range.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace flatenn::train {
namespace {

/// Of half the range: 1 of 4-bit codes, 16 of 8-bit ones. Max's best steps give a third to a half.
constexpr double kLeastShare = 1.0 / 8;

}  // namespace

std::string judge_code_rms(const std::string& layer, int64_t bits, net::ValueMap map, double rms) {
  const nn::Grid grid = nn::Grid::signed_codes(bits, map);
  const double half_range = static_cast<double>(grid.max_value() - grid.min_value()) / 2;
  char problem[160];
  if (rms < 1) {
    std::snprintf(problem, sizeof problem,
                  "is under 1: one flip of a high bit outweighs the whole layer");
  } else if (rms < kLeastShare * half_range) {
    std::snprintf(problem, sizeof problem,
                  "is far under the range of its %d bits: one flip of the top bit changes a weight "
                  "by %.0f times that (weight_range.code_rms or quant.tied_factor fill the range)",
                  static_cast<int>(bits), half_range / rms);
  } else if (rms > half_range) {
    std::snprintf(problem, sizeof problem, "is over half the code range: most codes are clipped");
  } else {
    return "";
  }
  return "layer " + layer + ": code rms " + std::to_string(rms) + " " + problem;
}

std::vector<std::string> code_range_warnings(const nn::ModelImpl& model) {
  const std::map<std::string, double> rms = nn::code_rms(model);
  std::vector<std::string> warnings;
  for (const auto& layer : model.layers()) {
    if (!layer->quantized()) continue;
    const std::string& name = layer->spec().name;
    const std::string warning = judge_code_rms(name, layer->quantizer->options().bits,
                                               layer->quantizer->grid().value_map, rms.at(name));
    if (!warning.empty()) warnings.push_back(warning);
  }
  return warnings;
}

}  // namespace flatenn::train
