#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// Where an analysis leaves its result: folder/stem.json.
struct ResultFile {
  std::filesystem::path folder;  ///< Empty: nowhere. Made where it does not exist.
  std::string stem;              ///< File name without ".json".
  std::string kind;              ///< "cost", "landscape", "sensitivity", "sharpness"
};

/// Makes a folder where there is none. Throws Error naming it and the system's reason.
void make_folder(const std::filesystem::path& folder);

/// Writes the result with the model's name, content hash and metadata beside it (docs/formats.md),
/// where the report finds it. `settings`, where not null, tells how it was measured.
void write_result(const ResultFile& file, const net::Network& network, const nlohmann::json& result,
                  const nlohmann::json& settings);
void write_result(const ResultFile& file, const net::Network& network,
                  const nlohmann::json& result);

}  // namespace flatenn::analysis
