#include "flatenn/study/analysis_settings.h"

#include "flatenn/analysis/hardware.h"
#include "flatenn/base/error.h"

namespace flatenn::study {
namespace {

constexpr DoubleRange kFaultRate{1e-12, 1};
constexpr DoubleRange kPositive{1e-12, 1e12};

int64_t read_images(Config& config, const std::string& table) {
  return config.get_int(table + ".images", 0, {.min = 0});
}

/// Points along an axis of a landscape: none, or odd, so that the centre is one.
int64_t read_points(Config& config, const std::string& key) {
  const int64_t points = config.get_int(key, 0, {.min = 0, .max = 10001});
  if (points != 0 && (points < 3 || points % 2 == 0))
    config.fail(key, detail::concat("expected 0, or odd and at least 3, got ", points));
  return points;
}

AnalysisSettings::Cost read_cost(Config& config, const std::string& table) {
  return {.hardware = config.get_strings(table + ".hardware", analysis::shipped_hardware_names()),
          .images = read_images(config, table)};
}

AnalysisSettings::Sharpness read_sharpness(Config& config, const std::string& table) {
  return {.wanted = true,
          .rho = config.get_doubles(table + ".rho", {0.1}, kPositive),
          .noise = config.get_double(table + ".noise", 0.1, kPositive),
          .samples = config.get_int(table + ".samples", 20, {.min = 1}),
          .eigenvalues = config.get_int(table + ".eigenvalues", 0, {.min = 0}),
          .rate = config.get_double(table + ".rate", 0.01, kFaultRate),
          .trials = config.get_int(table + ".trials", 20, {.min = 2}),
          .images = read_images(config, table)};
}

AnalysisSettings::Sensitivity read_sensitivity(Config& config, const std::string& table) {
  return {.trials = config.get_int(table + ".trials", 20, {.min = 2}),
          .rate = config.get_double(table + ".rate", 0.05, kFaultRate),
          .images = read_images(config, table),
          .gradient_images = config.get_int(table + ".gradient_images", 1000, {.min = 1}),
          .attack = config.get_int(table + ".attack", 0, {.min = 0}),
          .harden = config.get_double(table + ".harden", 0, DoubleRange{0, 1})};
}

AnalysisSettings::Landscape read_landscape(Config& config, const std::string& table) {
  return {.line_points = read_points(config, table + ".line_points"),
          .plane_points = read_points(config, table + ".plane_points"),
          .range = config.get_double(table + ".range", 1, kPositive),
          .images = read_images(config, table)};
}

}  // namespace

AnalysisLevels read_analysis_levels(Config& config) {
  AnalysisLevels levels;
  for (const std::string& name : config.child_names("analysis")) {
    const std::string table = "analysis." + name;
    AnalysisSettings& settings = levels[name];
    if (config.has(table + ".cost")) settings.cost = read_cost(config, table + ".cost");
    if (config.has(table + ".sharpness"))
      settings.sharpness = read_sharpness(config, table + ".sharpness");
    if (config.has(table + ".sensitivity"))
      settings.sensitivity = read_sensitivity(config, table + ".sensitivity");
    if (config.has(table + ".landscape"))
      settings.landscape = read_landscape(config, table + ".landscape");
  }
  return levels;
}

}  // namespace flatenn::study
