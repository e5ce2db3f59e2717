#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/base/config.h"
#include "flatenn/data/image_set.h"
#include "flatenn/fault/fault_model.h"

namespace flatenn::campaign {

/// One position on the campaign's fault axis.
struct Level {
  double rate = 0;                ///< Bit error rate; 0 for exact counts.
  std::optional<int64_t> count;   ///< Exactly so many faults instead of a rate.
  std::optional<double> voltage;  ///< Supply voltage in V that gave the rate.
  std::string label;              ///< As shown: "0.01", "5 faults", "0.62 V".
  /// Where the level stands on the axis: the count, else the rate.
  double place() const { return count ? static_cast<double>(*count) : rate; }
  bool operator==(const Level&) const = default;
};

/// One value of the plan's kinds, with the faults it stands for.
struct FaultCase {
  std::string name;         ///< A name of fault::FaultKind, or "faults" for [[faults]].
  fault::FaultModel model;  ///< Sources that follow the rate take the level's.
};

enum class SingleFault {
  kOff,
  kSampled,     ///< Leveugle et al.'s number of faults in each stratum of layer and bit.
  kExhaustive,  ///< Every stored bit once.
};

/// Which images a trial looks at.
struct ImageChoice {
  enum class Mode { kAll, kAuto, kCount };
  Mode mode = Mode::kAll;
  int64_t count = 0;  ///< Of kCount: the first so many of the trial's own permutation.
};

/// What a campaign is to do: models x kinds x levels, and when to stop. docs/campaigns.md lists the
/// keys.
struct Plan {
  std::string name = "campaign";
  std::vector<std::filesystem::path> models;
  std::string dataset;  ///< Name, or path of own data. Empty: the one the models name.
  data::Split split = data::Split::kTest;
  int64_t first_images = 0;  ///< Only so many images of the set; 0: all.
  std::vector<FaultCase> kinds;
  std::vector<Level> levels;  ///< Rising.
  uint64_t seed = 0;
  int64_t trials = 100;              ///< A cell; an upper bound where there is a half-width.
  std::optional<double> half_width;  ///< Of the 95 % interval of the mean accuracy.
  ImageChoice images;
  /// Trials are drawn stratum by stratum, those that can do harm more often (docs/rare-events.md).
  bool stratified = false;
  SingleFault single_fault = SingleFault::kOff;
  double single_fault_error = 0.05;       ///< Of kSampled: half-width of the share, worst case.
  double single_fault_confidence = 0.95;  ///< Of kSampled.
  std::optional<double> wanted_accuracy;  ///< For the yield; else golden - tolerated_drop.
  double tolerated_drop = 0.01;
  /// Rates are chosen one after another until those that surely keep and surely cost the tolerated
  /// drop differ by no more than this factor; levels are the rates to choose from.
  std::optional<double> search_within;
  double time_limit_s = 0;  ///< 0: none. Of one run; not part of the plan's meaning.
};

/// Reads a plan and refuses keys that it does not know. Model paths are relative to `folder`.
/// Throws Error with file and line.
Plan read_plan(Config& config, const std::filesystem::path& folder = ".");

/// Names the first place where two settings differ, with both values: "levels[2].rate: 0.01 in the
/// database, 0.02 now". Empty where they are equal.
std::string describe_difference(const nlohmann::json& stored, const nlohmann::json& now);

}  // namespace flatenn::campaign
