#pragma once

#include <string>

#include "cli/command.h"

namespace flatenn::cli {

/// Sets the form of every command's help: in lines that fit the terminal, types in plain words, the
/// options of commands that have many in groups, examples at the end.
void set_up_help(CLI::App& app);

/// Help as CLI11 lays it out (descriptions from column 30), in at most `columns` terminal columns
/// (0: as many as it takes). Command lines of examples stay whole, to be copied.
std::string fit_help(const std::string& help, int64_t columns);

}  // namespace flatenn::cli
