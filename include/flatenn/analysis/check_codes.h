#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "flatenn/analysis/hardening.h"

namespace flatenn::analysis {

/// A check code over the whole weight memory, and what it leaves of the accuracy.
struct CheckCodeOutcome {
  std::string name;  ///< "none", "parity", "secded", "secded, zeroing"
  fault::Protection protection;
  double extra_share = 0;  ///< Check bits over stored weight bits.
  MapMean accuracy;        ///< Over maps that hit check bits as well.
};

struct CheckCodeReport {
  double golden_accuracy = 0;
  std::vector<CheckCodeOutcome> codes;  ///< "none" first.
  size_t proposed = 0;   ///< Least memory of those within the tolerated drop, else most accurate.
  bool reached = false;  ///< The proposed one is within the tolerated drop.
};

/// Measures every check code on common fault maps, with the options of hardening.
CheckCodeReport compare_check_codes(const std::shared_ptr<const net::Network>& network,
                                    engine::Engine& engine, const engine::ImageCodes& images,
                                    std::span<const uint16_t> labels, double golden_accuracy,
                                    const HardeningOptions& options);

/// A plan for `flatenn campaign` with the proposed code.
std::string check_code_plan_toml(const PlanTarget& target, const CheckCodeReport& report,
                                 const HardeningOptions& options);

nlohmann::json to_json(const CheckCodeReport& report);

}  // namespace flatenn::analysis
