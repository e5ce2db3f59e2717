#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace flatenn::cli {

/// Numbers from `least` on. CLI11's own validators let NaN pass and name the largest double.
CLI::Validator at_least(double least);
/// Numbers above `bound`.
CLI::Validator above(double bound);
/// What --engine takes: a kind, or a GPU by its number (cuda:1); `several`: or more of them
/// (cuda:0-3). `more`: names that the command knows besides.
CLI::Validator engine_name(bool several, std::vector<std::string> more = {});
/// What --device takes: cpu, cuda, or a GPU by its number (cuda:1); `several`: or more of them
/// (cuda:0-3).
CLI::Validator device_name(bool several);
/// An integer, and no larger one than fits.
CLI::Validator whole_number();
/// No number that reads as 0 only because it is too small ("1e-400").
CLI::Validator not_vanished();

}  // namespace flatenn::cli
