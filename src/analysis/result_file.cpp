#include "flatenn/analysis/result_file.h"

#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/version.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::analysis {

void make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  FLATENN_CHECK(!failure, folder.string(), ": cannot be made: ", failure.message());
}

void write_result(const ResultFile& file, const net::Network& network, const nlohmann::json& result,
                  const nlohmann::json& settings) {
  if (file.folder.empty()) return;
  make_folder(file.folder);
  nlohmann::json document{
      {"flatenn_result", file.kind},  {"flatenn", version()},
      {"model", network.name},        {"model_hash", net::content_hash(network)},
      {"metadata", network.metadata}, {"result", result}};
  if (!settings.is_null()) document["settings"] = settings;
  write_file_atomically(file.folder / (file.stem + ".json"), document.dump(1) + "\n");
}

void write_result(const ResultFile& file, const net::Network& network,
                  const nlohmann::json& result) {
  write_result(file, network, result, nullptr);
}

}  // namespace flatenn::analysis
