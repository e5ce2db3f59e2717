#include "study/analysis_results.h"

#include <algorithm>
#include <map>

namespace flatenn::study {
namespace {

using nlohmann::json;

/// None where the metadata do not tell how the network was trained.
std::optional<NetworkResult> network_of(const json& content) {
  const json metadata = content.value("metadata", json::object());
  for (const char* key : {"recipe", "activation", "seed"}) {
    if (!metadata.contains(key) || !metadata[key].is_string()) return std::nullopt;
  }
  NetworkResult network;
  network.arm =
      metadata["recipe"].get<std::string>() + "/" + metadata["activation"].get<std::string>();
  network.seed = std::stoll(metadata["seed"].get<std::string>());
  network.name = content.value("model", "");
  network.hash = content.value("model_hash", "");
  network.result = &content.at("result");
  return network;
}

}  // namespace

std::vector<NetworkResult> results_of(const report::Findings& findings, const std::string& kind) {
  std::map<std::string, std::vector<NetworkResult>> by_settings;
  for (const report::Artifact& artifact : findings.artifacts) {
    if (artifact.kind != kind || !artifact.content.contains("settings")) continue;
    const auto network = network_of(artifact.content);
    if (network) by_settings[artifact.content["settings"].dump()].push_back(*network);
  }
  const auto most = std::max_element(
      by_settings.begin(), by_settings.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  return most == by_settings.end() ? std::vector<NetworkResult>{} : most->second;
}

std::set<int64_t> seeds_of(const std::vector<NetworkResult>& results) {
  std::set<int64_t> seeds;
  for (const NetworkResult& result : results) seeds.insert(result.seed);
  return seeds;
}

const NetworkResult* find_result(const std::vector<NetworkResult>& results, const std::string& arm,
                                 int64_t seed) {
  const auto found = std::find_if(results.begin(), results.end(), [&](const NetworkResult& result) {
    return result.arm == arm && result.seed == seed;
  });
  return found == results.end() ? nullptr : &*found;
}

}  // namespace flatenn::study
