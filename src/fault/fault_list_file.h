#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "flatenn/fault/fault_list.h"

namespace flatenn::fault {

/// `name` stands for the file in messages.
FaultList parse_fault_csv(const std::string& text, const std::string& name);
FaultList parse_fault_json(const std::string& text, const std::string& name);

}  // namespace flatenn::fault
