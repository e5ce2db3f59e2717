#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "flatenn/fault/fault_list.h"

namespace flatenn::fault {

/// `name` stands for the file in messages.
FaultList parse_fault_csv(const std::string& text, const std::string& name);
FaultList parse_fault_json(const std::string& text, const std::string& name);

/// What the model of a fault map's file (to_json of FaultModel) says beside its sources, into
/// `list`. Throws Error naming place and key for what this version does not know.
void read_list_model(const nlohmann::json& model, const std::string& place, FaultList& list);

/// Numbers of a file where no stored word and no tensor can have others. Throw Error naming place.
int32_t checked_bit(int64_t value, const std::string& place);
int64_t checked_element(int64_t value, const std::string& place);

}  // namespace flatenn::fault
