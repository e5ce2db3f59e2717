#include "cli/validators.h"

#include <functional>

#include "flatenn/base/number.h"

namespace flatenn::cli {
namespace {

/// A validator whose message is `wanted` and what came.
CLI::Validator number_that(const std::string& wanted, std::function<bool(double)> fits) {
  const auto check = [wanted, fits = std::move(fits)](std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && fits(value)) return "";
    return wanted + ", got " + text;
  };
  return CLI::Validator(check, "");
}

}  // namespace

CLI::Validator at_least(double least) {
  return number_that("must be a number from " + number_text(least) + " on",
                     [least](double value) { return value >= least; });
}

CLI::Validator above(double bound) {
  return number_that("must be a number above " + number_text(bound),
                     [bound](double value) { return value > bound; });
}

CLI::Validator not_vanished() {
  const auto check = [](std::string& text) -> std::string {
    return reads_as_zero(text) ? text + " is too small for a number; write 0 where 0 is meant" : "";
  };
  return CLI::Validator(check, "");
}

}  // namespace flatenn::cli
