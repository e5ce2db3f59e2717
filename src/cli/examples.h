#pragma once

#include "cli/command.h"

namespace flatenn::cli {

/// Ends the help of each command with examples, and that of the program with its exit codes.
void add_examples(CLI::App& app);

}  // namespace flatenn::cli
