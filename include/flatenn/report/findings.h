#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/campaign/results.h"

namespace flatenn::report {

/// A run folder, as `flatenn train` leaves it.
struct Run {
  std::string name;
  nlohmann::ordered_json record;       ///< run.json, keys in file order.
  std::vector<nlohmann::json> epochs;  ///< Lines of metrics.jsonl; may be empty.

  std::string arm() const;  ///< "saq/sparse", as ModelResult::arm(); the name where unknown.
};

/// A claim of the paper as a study measured it (study.json, docs/formats.md). Differences are
/// shares: 0.01 is one point of accuracy, or 1 % of a sharpness, an energy or a latency.
struct Claim {
  std::string id;         ///< "saq-gains-standard".
  std::string statement;  ///< What is claimed, in words.
  std::string published;  ///< The published figure, quoted.
  std::string better;     ///< Arm that is claimed to keep more accuracy.
  std::string worse;      ///< Arm that it is compared with.
  std::string kind;       ///< Of fault; empty where no faults are asked about.
  double rate = 0;
  std::string measure;  ///< What is compared, "energy, dense"; empty: accuracy under faults.
  /// Of what the difference is, where `measure` is empty: "accuracy", or "accuracy kept": accuracy
  /// under faults less the fault-free one.
  std::string quantity = "accuracy";
  std::string unit;  ///< "points", "percent" (of the mean of `worse`) or "correlation".
  int64_t seeds = 0;
  double difference = 0;  ///< In favour of `better` (or the correlation), mean over seeds.
  /// 95 % over common maps: these two networks. Of a correlation: over all networks.
  std::optional<campaign::Interval> networks;
  std::optional<campaign::Interval> method;     ///< 95 % over seeds: the method.
  std::optional<double> p_value, holm_p_value;  ///< Over seeds, two-sided; then Holm's.
  std::string verdict;                          ///< "confirmed", "refuted", "undecided".
  std::string reason;                           ///< Why, in a few words.
};

/// A result of another command found beside the runs: a JSON file with the key "flatenn_result".
struct Artifact {
  std::string kind;   ///< Value of that key: "landscape", "sensitivity", ...
  std::string label;  ///< Folder it was found in.
  nlohmann::json content;
};

/// Everything a page is made from.
struct Findings {
  std::string title;
  std::vector<campaign::PlanResult> plans;
  std::vector<Run> runs;
  std::vector<Claim> claims;
  std::vector<Artifact> artifacts;
  std::vector<std::string> commands;  ///< That make all this again.
  std::vector<std::string> left_out;  ///< What was found and cannot be shown: path and reason.
};

/// Reads run folders, campaign databases, study folders and result files; a folder is searched
/// three levels deep, in alphabetical order. A file or plan that several paths lead to is taken
/// once; what lies in a folder and is damaged, foreign, or no regular file is left out with the
/// reason. Throws Error with one line that names a path which is none of these, holds nothing to
/// show, or is damaged.
Findings collect(const std::vector<std::filesystem::path>& paths);

/// study.json's "claims".
std::vector<Claim> claims_from_json(const nlohmann::json& claims);
nlohmann::json claims_to_json(const std::vector<Claim>& claims);

}  // namespace flatenn::report
