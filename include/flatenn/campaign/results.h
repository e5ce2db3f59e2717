#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/campaign/plan.h"
#include "flatenn/campaign/share.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/campaign/stop_rule.h"
#include "flatenn/store/store.h"

/// What a stored campaign says: every statistic computed from finished trials, in trial order, so
/// equal trials give equal bits. docs/statistics.md has the formulas. Accuracies, shares and
/// differences are in [0, 1] (0.01 is one point); rates are per stored bit.
namespace flatenn::campaign {

struct ModelResult {
  std::string name;  ///< Unique within the plan.
  std::string hash;  ///< Content hash of the network.
  /// The model file's metadata: "recipe", "activation", "seed", "dataset", "quantizer", ...
  std::map<std::string, std::string> metadata;
  double golden_accuracy = 0;  ///< Fault-free, over all of the plan's images.
  double golden_loss = 0;      ///< Mean cross-entropy.
  int64_t weight_bits = 0;     ///< Stored weight bits.

  /// Metadata value, or "" where the model has none.
  std::string meta(const std::string& key) const;
  std::string arm() const;  ///< "saq/sparse": recipe and activation; the name where neither is set.
  std::optional<int64_t> training_seed() const;
  std::string path;  ///< Of its file when the plan was first run.
};

/// Maps of a stratified cell that have the same most harmful class of bits hit.
struct MapStratumResult {
  std::string name;    ///< Of the class: "fc3 bit 7 and 4 more".
  int64_t bits = 0;    ///< In the class.
  double weight = 0;   ///< Share of all maps.
  int64_t trials = 0;  ///< Used.
  double mean = 0;     ///< Accuracy.
  double sd = 0;
  double yield = 0;
};

/// Model x kind x level.
struct CellResult {
  int64_t model = 0;  ///< Index into PlanResult::models.
  int64_t kind = 0;   ///< Index into PlanResult::kinds.
  int64_t level = 0;  ///< Index into PlanResult::levels.
  StopReason stop = StopReason::kRunning;
  int64_t surplus = 0;  ///< Finished trials beyond the stop rule's n, not used.
  Summary accuracy;     ///< Over trials; accuracy.count is the number of trials used.
  /// 95 % Student-t interval of the mean accuracy over maps; the standard deviation counts as one
  /// image's share at least, here and below.
  Interval ci;
  /// The interval to read where |skew| > 0.5: Hall's, at 97 % where a half-width rule ended the
  /// cell, since looking at the data costs coverage, else at 95 %.
  std::optional<Interval> skew_ci;
  std::optional<Interval> bootstrap_ci;  ///< Beside it where the sample is skewed (|skew| > 1).
  /// Share of maps with at least PlanResult::yield_accuracy(model); NaN, as its interval, where
  /// trials look at a part of the images: their estimates scatter more than the maps do.
  double yield = 0;
  Interval yield_ci;      ///< Clopper-Pearson, 95 %.
  double mean_loss = 0;   ///< Mean cross-entropy.
  double identical = 0;   ///< Mean share of images whose logits did not change.
  double masked = 0;      ///< Logits changed, top-1 the same.
  double sdc1_right = 0;  ///< Top-1 changed where golden was right.
  double sdc1_wrong = 0;  ///< Top-1 changed where golden was wrong.
  double drawn = 0;       ///< Mean number of faults a map.
  double landed = 0;      ///< Mean number of faults that changed a stored bit.
  int64_t images = 0;     ///< Images a trial.
  /// Used trials, in order (control variate applied); empty in stratified cells, where no list of
  /// equals stands for all maps.
  std::vector<double> accuracies;
  /// Of a stratified cell, whose numbers are all weighted sums over strata and the untouched maps:
  /// `accuracy` describes all maps, `ci` is the interval to read.
  std::vector<MapStratumResult> map_strata;
  double untouched = 0;  ///< Share of maps that change nothing.
  bool stratified() const { return !map_strata.empty(); }
  int64_t trials() const;  ///< Used, also where they are too few for an estimate.
  /// Why a stratified cell has no estimate: which strata lack trials; empty where it has one.
  std::string untold() const;
  double sdc1() const { return sdc1_right + sdc1_wrong; }
  const Interval& interval() const { return skew_ci ? *skew_ci : ci; }  ///< The one to read.
};

/// Accuracy of model b minus model a on common maps and images: "these two networks".
struct PairResult {
  int64_t model_a = 0;
  int64_t model_b = 0;
  int64_t kind = 0;
  int64_t level = 0;
  int64_t trials = 0;
  double difference = 0;
  double sd = 0;
  double skew = 0;
  /// 95 % Student-t; Hall's where |skew| > 0.5, with the levels of CellResult::skew_ci. The
  /// standard deviation counts as one image's share at least, here and in the p-value.
  Interval ci;
  double p_value = 1;       ///< Two-sided, by the same method.
  double holm_p_value = 1;  ///< Adjusted over all pairs and cells of the plan.
};

/// b minus a on the trials that both have used; holm_p_value is as yet 1.
PairResult compare_cells(const CellResult& a, const CellResult& b);
/// Sets holm_p_value over all of them.
void adjust_pairs(std::vector<PairResult>& pairs);

/// The largest rate (or number of faults, in a plan of counts) that costs at most `tolerated_drop`
/// of mean accuracy, counted from below, with the measured rates that bracket it: up to ci.low
/// every cell's interval lies above the wanted accuracy, at ci.high one lies below it. A number
/// that lies outside the measured rates is the nearest of them, with a flag.
struct ToleranceResult {
  int64_t model = 0;
  int64_t kind = 0;
  /// Estimate: the loss grows as a power of the rate between the two rates whose means lie on
  /// either side of the wanted accuracy.
  double rate = 0;
  Interval ci;               ///< The bracket.
  bool below = false;        ///< The lowest rate's mean costs more: the estimate is less than rate.
  bool low_below = false;    ///< The lowest rate may cost more: the low end is less than ci.low.
  bool beyond = false;       ///< No rate's mean costs more: the estimate is at least rate.
  bool high_beyond = false;  ///< No rate surely costs more: the high end is at least ci.high.
};

/// Single-fault campaigns: the share of faults that matter, in one stratum of layer and bit.
struct StratumResult {
  int64_t model = 0;
  int64_t kind = 0;
  int64_t layer = 0;  ///< Index into Network::layers; -1: all strata of the model together.
  std::string layer_name;
  int bit = 0;
  int64_t population = 0;  ///< Faults there are.
  int64_t wanted = 0;      ///< Faults to try: population when exhaustive.
  int64_t tried = 0;
  int64_t critical = 0;  ///< Changed the top-1 of at least one image.
  double share = 0;      ///< critical / tried.
  Interval ci;           ///< Clopper-Pearson; a point where all were tried.
  double mean_sdc1 = 0;  ///< Mean share of images whose top-1 changed.
};

struct PlanResult {
  int64_t id = 0;
  std::string name;
  std::string fingerprint;    ///< SHA-256 of the settings that decide the result.
  std::string settings_json;  ///< Those settings.
  std::string version;        ///< Of flatenn, when the plan was first run.
  std::string created;        ///< ISO 8601, UTC.
  std::string finished;       ///< Time of the last trial; "" before the first.
  std::string dataset;        ///< "fashion-mnist"
  std::string data;           ///< What --data took: the same, or the path of own data.
  std::string dataset_hash;
  int64_t dataset_images = 0;  ///< Images of the estimand.
  uint64_t seed = 0;
  double tolerated_drop = 0.01;
  std::optional<double> search_within;  ///< A search for the tolerable rate: see Plan.
  /// Wanted accuracy for the yield: the plan's, or a model's golden accuracy - tolerated_drop.
  std::optional<double> wanted_accuracy;
  bool stratified = false;  ///< Cells are stratified: see CellResult::map_strata.
  bool single_fault = false;
  /// The file holds one share's trials alone: every cell is told from those, no models are paired.
  std::optional<Share> share;
  bool time_limited = false;  ///< The last run ended at its time limit: not reproducible.
  std::string plan_file;      ///< The plan's file when it was first run; "" without one.
  std::string split;          ///< "test"
  std::vector<ModelResult> models;
  std::vector<std::string> kinds;  ///< "bit_flip", ..., or the names of [[faults]].
  std::vector<Level> levels;       ///< Rising.
  std::vector<CellResult> cells;   ///< Models, then kinds, then levels; empty for single faults.
  std::vector<PairResult> pairs;   ///< Every pair of models, a < b.
  std::vector<ToleranceResult> tolerances;
  std::vector<StratumResult> strata;  ///< Single-fault campaigns only.

  double yield_accuracy(int64_t model) const;
  bool by_counts() const;  ///< Levels are exact numbers of faults, not rates.
  /// The cell, or null where the plan has none.
  const CellResult* cell(int64_t model, int64_t kind, int64_t level) const;
  /// The command that runs this cell again, alone, into repro.db.
  std::string reproduce_command(const CellResult& cell) const;
  /// The same for a stratum of a single-fault campaign, or for all strata of a model.
  std::string reproduce_command(const StratumResult& stratum) const;
};

/// All plans of a database, in the order in which they were made.
std::vector<PlanResult> load_results(const store::Store& store);
/// Opens the file read-only. Throws Error with one line (see Store::open).
std::vector<PlanResult> load_results(const std::filesystem::path& database);

/// One object a plan, everything above by the same names.
nlohmann::json to_json(const PlanResult& plan);
/// A header and one line a cell (or stratum), for all plans.
std::string to_csv(const std::vector<PlanResult>& plans);

}  // namespace flatenn::campaign
