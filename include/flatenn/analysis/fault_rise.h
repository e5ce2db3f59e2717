#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>

#include "flatenn/analysis/sensitivity.h"

namespace flatenn::analysis {

/// Expected rise of the mean loss, and fall of the accuracy, under random bit flips (exact codes,
/// from the engine).
struct FaultRise {
  double rate = 0;
  int64_t trials = 0;
  MapMean rise;
  MapMean accuracy_loss;
};

/// Throws Error where `rate` is not in (0, 1] or trials is below 2.
void check_fault_rise(double rate, int64_t trials);

/// Checks as well.
FaultRise measure_fault_rise(const std::shared_ptr<const net::Network>& network,
                             engine::Engine& engine, const engine::ImageCodes& images,
                             std::span<const uint16_t> labels, double rate, uint64_t seed,
                             int64_t trials);

nlohmann::json to_json(const FaultRise& rise);

}  // namespace flatenn::analysis
