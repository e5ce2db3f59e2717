#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/fault/injector.h"
#include "flatenn/net/network.h"

namespace flatenn::cli {

/// Options that say which faults are meant: a map, a plan's tables, or flags.
struct FaultOptions {
  std::string model;
  std::string map;
  std::string config;
  std::string kind;  ///< Empty: bit_flip.
  std::vector<double> shares;
  std::optional<double> rate;
  std::optional<int64_t> count;
  std::vector<std::string> layers;
  std::vector<std::string> spare;
  std::vector<int> bits;
  std::string encoding;
  std::string voltages;
  double voltage = 0;
  uint64_t seed = 0;
  uint64_t trial = 0;
};

void add_model_option(CLI::App& app, FaultOptions& options);
/// --map; before add_draw_options, whose flags it then excludes.
void add_map_option(CLI::App& app, FaultOptions& options);
/// Everything but the map.
void add_draw_options(CLI::App& app, FaultOptions& options);

/// The faults of one trial with what they apply to.
struct ChosenFaults {
  std::shared_ptr<const fault::Injector> injector;
  double rate = 0;  ///< As drawn; 0 for a map from a file.
  fault::FaultMap map;
};

/// "faults array", a subcommand of "faults".
void add_faults_array_command(CLI::App& parent);

/// From the plan's tables, else from the flags. Throws Error where both say the same thing.
fault::FaultModel model_from(const FaultOptions& options, const net::Network& network);
/// Reads the map, or draws it. Throws Error where neither is asked for.
ChosenFaults choose_faults(const FaultOptions& options);

}  // namespace flatenn::cli
