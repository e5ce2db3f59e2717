#pragma once

#include <string>

#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {

/// Throws Error, beginning with `place`, for values outside their ranges or that contradict each
/// other, whatever the network.
void check_source(const FaultSource& source, const FaultModel& model, const std::string& place);
void check_protection(const Protection& protection);

}  // namespace flatenn::fault
