#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace flatenn::study {

/// tune.csv: a line a candidate of tune.json, with a column for each scored cell. Shares in [0, 1].
std::string tuning_csv(const nlohmann::json& record);

}  // namespace flatenn::study
