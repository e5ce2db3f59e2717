#pragma once

#include <string>
#include <vector>

#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {

/// "bit", "word", "burst", "row", "column", "cell", "list", in the order of FaultUnit.
const std::vector<std::string>& unit_names();
/// "weights", "biases", "activations", in the order of FaultTarget.
const std::vector<std::string>& target_names();

std::string to_string(FaultUnit unit);
std::string to_string(FaultTarget target);

}  // namespace flatenn::fault
