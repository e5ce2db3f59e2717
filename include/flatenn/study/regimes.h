#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/study/study.h"

/// Studies over a grid of regimes: where a claim holds (docs/study.md).
namespace flatenn::study {

/// A network with its data.
struct GridNetwork {
  std::string name;        ///< "lenet5-fashion-mnist": begins the names of its regimes.
  std::string base;        ///< Training configuration, see training_toml().
  std::string data;        ///< Data set in place of that configuration's; empty: that one.
  std::string warm_start;  ///< Configuration of what all its networks start from; empty: nothing.
  std::vector<std::string> settings;  ///< On top of the base, for all of its networks.
  std::vector<std::string>
      sparse_settings;  ///< More of them for sparse ones; the target comes last.
};

/// What decides which networks are trained. Each is a study of its own.
struct Regime {
  size_t network = 0;      ///< Index into Grid::networks.
  std::string bits;        ///< "w4a4": of weights and activations.
  std::string first_last;  ///< "8", or "all": as all layers.
  std::string quantizer;   ///< "lsq", "tied" or "liq".
  std::string name;        ///< "lenet5-fashion-mnist-w4a4-first8-tied": also its folder.
};

/// Cells by axis: an axis left out stands for all of its values.
using CellFilter = std::map<std::string, std::vector<std::string>>;

/// Two arms that are compared in every regime and cell.
struct GridComparison {
  std::string id;
  std::string statement;  ///< In words.
  std::string better;     ///< Arm that should keep more, RECIPE-ACTIVATION; "*" stands for any
  std::string worse;      ///< value, the same one on both sides.
  std::string quantity;   ///< "accuracy", or "accuracy kept": less the fault-free one.
  std::optional<CellFilter>
      claim;  ///< Cells that are claimed; none: the comparison is exploratory.
};

/// The axes of a study over regimes, as its definition has them.
struct Grid {
  std::string name;
  std::vector<GridNetwork> networks;
  std::vector<std::string> bits, first_last, quantizers;
  std::vector<std::string> sparsities;  ///< "none", or percent of zeros: "75".
  double sparsity_margin = 0;           ///< Added to the target: freezing takes some zeros away.
  std::vector<std::string> recipes;
  std::vector<std::string> encodings;
  std::vector<GridComparison> comparisons;
  int64_t epochs = 0;       ///< Of a training; 0: as the base says.
  int64_t warm_epochs = 0;  ///< Of what it starts from; 0: likewise.
  Definition shared;        ///< Recipes, cells and tuning of every regime.
  std::string
      keys;  ///< What makes it this grid and no other: all keys but `title` and `seeds`, as JSON.
};

/// Whether a definition has a grid, and so is one for read_grid().
bool has_grid(const Config& config);
/// Reads every key and refuses unknown ones, an empty axis, and values that an axis does not know.
/// Throws Error with file and line.
Grid read_grid(Config& config, const std::string& name);

/// A regime that cannot be, and why.
struct MissingRegime {
  std::string name;
  std::string reason;
};
/// All regimes of the grid in its order. Those that do not exist, such as liq at 8 bits, are told
/// in `missing`.
std::vector<Regime> regimes_of(const Grid& grid, std::vector<MissingRegime>& missing);
/// The study that is one regime.
Definition definition_of(const Grid& grid, const Regime& regime);

/// One comparison in one cell of one regime.
struct RegimeRow {
  std::string comparison;  ///< Its id.
  std::string regime, network, data, bits, first_last, quantizer;
  std::string better, worse;  ///< Arms.
  std::string sparsity;       ///< Of `better`: "none" or percent.
  std::string encoding;
  bool claimed = false;
  /// Cell, difference in favour of `better`, intervals, p-values (Holm's over claimed rows alone)
  /// and verdict; "exploratory" where nothing is claimed.
  report::Claim claim;
  double better_accuracy = 0, worse_accuracy = 0;  ///< Under faults, means over maps and seeds.
  double better_golden = 0, worse_golden = 0;      ///< Without faults.
  double code_rms = 0;  ///< Of the layer of `worse` where it is least, in codes.
  std::string broken;   ///< What is wrong with the codes of `worse`; empty: nothing.
};

struct RegimeOptions {
  StudyOptions study;             ///< As of a study; `seeds` and the like apply to every regime.
  std::vector<std::string> only;  ///< Regimes to work on, by name, with * and ?; empty: all.
};

struct RegimesOutcome {
  StudyEnding ending = StudyEnding::kDone;
  std::vector<MissingRegime> missing;  ///< Combinations left out.
  std::vector<std::string> not_run;
  std::vector<std::string> failed;  ///< "REGIME: ARM", all of whose candidates diverged.
  std::vector<RegimeRow> rows;
  std::filesystem::path report;
  bool finished() const { return ending == StudyEnding::kDone; }
};

/// Trains and measures every regime as a study of its own in out/regimes/NAME/, first seeds first,
/// and writes into `out`:
///   grid.json     the definition; another one is refused
///   warm/NETWORK/ networks that seeds start from
///   regimes.json, regimes.csv  a row a comparison, regime and cell
///   report.html   the map
/// What is finished is not done again. Parts may be done by several calls, also on several machines
/// whose folders are then copied into one; each call judges over what is there. Throws Error as
/// run_study() does.
RegimesOutcome run_regimes(const Grid& grid, const RegimeOptions& options);

/// The outcome as a table for a terminal, and as regimes.json and regimes.csv have it.
std::string regimes_text(const RegimesOutcome& outcome);
nlohmann::json regimes_json(const Grid& grid, const RegimesOutcome& outcome);
std::string regimes_csv(const std::vector<RegimeRow>& rows);

/// Names of the grids that flatenn brings, "regimes-lenet5", ..., and their TOML.
std::vector<std::string> grid_names();
std::string grid_toml(const std::string& name);

}  // namespace flatenn::study
