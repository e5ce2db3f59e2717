#include "cli/validators.h"

#include <functional>
#include <sstream>

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

std::string text_of(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

CLI::Validator at_least(double least) {
  return number_that("must be a number from " + text_of(least) + " on",
                     [least](double value) { return value >= least; });
}

CLI::Validator above(double bound) {
  return number_that("must be a number above " + text_of(bound),
                     [bound](double value) { return value > bound; });
}

}  // namespace flatenn::cli
