#include "cli/validators.h"

#include <cstdint>
#include <functional>
#include <limits>

#include "flatenn/base/error.h"
#include "flatenn/base/number.h"
#include "flatenn/engine/devices.h"

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

constexpr const char* kOneGpu = ": this command computes on one GPU; name one, as in cuda:0";

}  // namespace

CLI::Validator at_least(double least) {
  return number_that("must be a number from " + number_text(least) + " on",
                     [least](double value) { return value >= least; });
}

CLI::Validator above(double bound) {
  return number_that("must be a number above " + number_text(bound),
                     [bound](double value) { return value > bound; });
}

CLI::Validator engine_name(bool several, std::vector<std::string> more) {
  more.insert(more.begin(), engine::engine_kind_names().begin(), engine::engine_kind_names().end());
  const CLI::IsMember is_name(more);
  const auto check = [several, is_name](std::string& text) -> std::string {
    if (!text.starts_with("cuda:")) return is_name(text);
    try {
      const engine::EngineChoice choice = engine::parse_engine_choice(text);
      return several || choice.devices.size() == 1 ? "" : text + kOneGpu;
    } catch (const Error& error) {
      return std::string(error.what()).substr(std::string("engine: ").size());
    }
  };
  return CLI::Validator(check, "");
}

CLI::Validator device_name(bool several) {
  const auto check = [several](std::string& text) -> std::string {
    try {
      return engine::parse_device_choice(text).size() <= 1 || several ? "" : text + kOneGpu;
    } catch (const Error& error) {
      return std::string(error.what()).substr(std::string("--device: ").size());
    }
  };
  return CLI::Validator(check, "");
}

CLI::Validator not_vanished() {
  const auto check = [](std::string& text) -> std::string {
    return reads_as_zero(text) ? text + " is too small for a number; write 0 where 0 is meant" : "";
  };
  return CLI::Validator(check, "");
}

CLI::Validator whole_number() {
  const auto check = [](std::string& text) -> std::string {
    int64_t value = 0;
    const bool whole = CLI::detail::lexical_cast(text, value);
    using Limits = std::numeric_limits<int64_t>;  // what larger numbers are read as
    if (whole && value != Limits::max() && value != Limits::min()) return "";
    return "must be a whole number" + std::string(whole ? " below 2^63" : "") + ", got " + text;
  };
  return CLI::Validator(check, "");
}

}  // namespace flatenn::cli
