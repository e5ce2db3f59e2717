#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace flatenn::cli {

/// Options every subcommand shares.
struct GlobalOptions {
  bool quiet = false;
  bool verbose = false;
  std::string command_line;  ///< As typed, for records of what was run.
};

/// A subcommand declares its options on the parser and sets `callback`, which does the work.
/// commands.inc lists them; each has a file of its own.
#define FLATENN_COMMAND(name) void add_##name##_command(CLI::App& app, const GlobalOptions& global);
#define FLATENN_TORCH_COMMAND FLATENN_COMMAND
#include "cli/commands.inc"
#undef FLATENN_TORCH_COMMAND
#undef FLATENN_COMMAND

}  // namespace flatenn::cli
