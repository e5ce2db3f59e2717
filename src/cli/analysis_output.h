#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "flatenn/net/network.h"

namespace flatenn::cli {

/// Where an analysis command leaves its result.
struct AnalysisFile {
  std::string folder;  ///< Empty: nowhere.
  std::string stem;    ///< File name without ".json".
  std::string kind;    ///< "cost", "landscape", "sensitivity", "sharpness"
};

/// Writes <folder>/<stem>.json with the model's name, content hash and metadata beside the result
/// (docs/formats.md), where the report finds it.
void write_analysis(const AnalysisFile& file, const net::Network& network,
                    const nlohmann::json& result);

}  // namespace flatenn::cli
