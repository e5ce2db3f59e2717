#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "flatenn/base/config.h"
#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {

/// Tables that read_fault_model reads: "memory", "faults", "protection".
const std::vector<std::string>& fault_tables();

/// Reads [memory], [memory.array], [[faults]] and [protection] of a plan; docs/faults.md lists the
/// keys. Without [[faults]] there are single weight bits of the plan's kind and rate, as the plan's
/// own `layers`, `spare`, `bits` and `biases` choose. Paths of lists are relative to `folder`.
/// Throws Error with file and line for wrong and contradictory values.
FaultModel read_fault_model(Config& config, const std::filesystem::path& folder = ".");

/// Canonical form: everything that changes the faults and nothing else (lists by their content, not
/// by path), so that equal models give equal text. For fingerprints.
nlohmann::json to_json(const FaultModel& model);

/// One line for people: "stuck_at_0 in weights at the plan's rate; secded".
std::string describe(const FaultModel& model);

}  // namespace flatenn::fault
