#pragma once

#include <CLI/CLI.hpp>

namespace flatenn::cli {

/// Numbers from `least` on. CLI11's own validators let NaN pass and name the largest double.
CLI::Validator at_least(double least);
/// Numbers above `bound`.
CLI::Validator above(double bound);
/// No number that reads as 0 only because it is too small ("1e-400").
CLI::Validator not_vanished();

}  // namespace flatenn::cli
