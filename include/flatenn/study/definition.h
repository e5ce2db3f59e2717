#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flatenn/base/config.h"
#include "flatenn/study/analysis_settings.h"

/// Studies: trainings, campaigns and verdicts from one definition (docs/study.md).
namespace flatenn::study {

/// A way of training, or a kind of activation: settings on top of the base configuration.
struct Recipe {
  std::vector<std::string> settings;  ///< "key=value", as `flatenn train --set` takes them.
  double epochs_factor = 1;
};

/// One kind of network: "saq-sparse" is the recipe "saq" with "sparse" activations.
struct Arm {
  std::string name;
  std::string recipe;
  std::string activation;
};

/// Cells of a campaign: every kind at every rate.
struct CampaignCells {
  std::vector<std::string> kinds;
  std::vector<double> rates;
  int64_t trials = 0;
  int64_t images = 0;  ///< The first test images; 0: all.
};

/// The network that all arms of a seed start from: trained once for each seed, by the same tool.
struct WarmStart {
  std::string config;  ///< Name of its training configuration; empty: no such network.
  std::vector<std::string> settings;  ///< On top of it.
};

/// How `--tune` searches, and in which cells it scores.
struct TuningPlan {
  int64_t hold_out = 0;  ///< Training images that no candidate learns from.
  int64_t epochs = 0;    ///< Of a candidate, before the recipe's factor; 0: as many as an arm.
  std::vector<std::string> kinds;      ///< Empty: the campaign's.
  std::vector<double> rates;           ///< The score is the mean over all cells.
  std::vector<std::string> encodings;  ///< Empty: that of the campaign.
  int64_t trials = 0;                  ///< Fault maps a cell.
  uint64_t seed = 0;                   ///< Of the fault maps.
  /// Candidates tried for an arm in all; those beyond the definition's are proposed by the scores.
  int64_t budget = 0;
  /// Successive halving: the best 1 / halving of the candidates go on for so many times the epochs;
  /// 0: all train for all epochs.
  int64_t halving = 0;
  std::map<std::string, std::vector<std::string>> candidates;  ///< Settings, by recipe.
};

struct Definition {
  std::string name;  ///< "lenet5".
  std::string title;
  std::string base;  ///< Training configuration that the arms share, see training_toml().
  std::vector<std::string> settings;  ///< "key=value" of all arms, before their recipes' own.
  int64_t seeds = 1;                  ///< Training seeds 1 to this.
  std::vector<std::string> arms;
  std::map<std::string, Recipe> recipes;
  std::map<std::string, Recipe> activations;
  WarmStart warm_start;

  CampaignCells campaign;
  std::string campaign_encoding;  ///< How weights are stored in it; empty: two's complement.
  uint64_t campaign_seed = 0;
  CampaignCells spared;                     ///< The confound campaign; no rates: none.
  std::string spared_layer;                 ///< Left without faults in it.
  CampaignCells encodings;                  ///< The same maps on weights stored in other encodings.
  std::vector<std::string> encoding_names;  ///< A campaign each; empty: none.

  CampaignCells claims;  ///< Cells fixed beforehand (without trials).
  int64_t min_seeds = 3;
  /// What sharpness is set against, one of the campaign's cells.
  std::string flatness_kind = "bit_flip";
  double flatness_rate = 0.01;
  double cost_margin = 0.05;  ///< What saq-sparse may cost more than sgd-sparse, a share.

  AnalysisLevels analysis;

  TuningPlan tuning;

  /// Throws Error that lists the recipes and activations where the name fits none.
  Arm arm(const std::string& arm_name) const;
};

/// Reads every key and refuses unknown ones. Throws Error with file and line.
Definition read_definition(Config& config, const std::string& name);

/// The studies that flatenn brings: "lenet5", ...
std::vector<std::string> definition_names();
/// Their TOML. Throws Error listing the names where there is none of this name.
std::string definition_toml(const std::string& name);
/// A training configuration that flatenn brings (configs/NAME.toml), or the content of a file
/// whose name ends in ".toml". Throws likewise.
std::string training_toml(const std::string& name);
/// "configs/NAME.toml", or the file's name: what a command says.
std::string training_file(const std::string& name);

}  // namespace flatenn::study
