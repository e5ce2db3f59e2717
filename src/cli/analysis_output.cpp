#include "cli/analysis_output.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "flatenn/base/file.h"
#include "flatenn/base/version.h"
#include "flatenn/net/onnx.h"

namespace flatenn::cli {

void write_analysis(const AnalysisFile& file, const net::Network& network,
                    const nlohmann::json& result) {
  if (file.folder.empty()) return;
  std::filesystem::create_directories(file.folder);
  const nlohmann::json document{
      {"flatenn_result", file.kind},  {"flatenn", version()},
      {"model", network.name},        {"model_hash", net::content_hash(network)},
      {"metadata", network.metadata}, {"result", result}};
  write_file_atomically(std::filesystem::path(file.folder) / (file.stem + ".json"),
                        document.dump(1) + "\n");
}

}  // namespace flatenn::cli
