#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flatenn/report/findings.h"

namespace flatenn::study {

/// An analysis of one trained network.
struct NetworkResult {
  std::string arm;  ///< "saq/sparse"
  int64_t seed = 1;
  std::string name;
  std::string hash;  ///< Of the network's content.
  const nlohmann::json* result = nullptr;
};

/// The results of one kind that a study made, one a network, all made in the same way: where there
/// are several ways, the one of most networks. `findings` must outlive them.
std::vector<NetworkResult> results_of(const report::Findings& findings, const std::string& kind);

std::set<int64_t> seeds_of(const std::vector<NetworkResult>& results);
/// nullptr where there is none.
const NetworkResult* find_result(const std::vector<NetworkResult>& results, const std::string& arm,
                                 int64_t seed);

}  // namespace flatenn::study
