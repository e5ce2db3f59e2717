#include "store/plan_shape.h"

#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/hash.h"

namespace flatenn::store {
namespace {

using nlohmann::json;

/// More cells than any machine could run; a damaged count must not fill the memory.
constexpr int64_t kMostCells = int64_t{1} << 24;

void check_number(const json& parent, const char* key, double least, double most) {
  const double value = parent.at(key).get<double>();
  FLATENN_CHECK(value >= least && value <= most, key, " is ", value, ", must be from ", least,
                " to ", most);
}

void check_settings(const json& settings, const PlanRow& plan, int64_t images, int64_t models) {
  FLATENN_CHECK(sha256_hex(plan.settings) == plan.fingerprint, "does not fit its fingerprint");
  const int64_t told_images = settings.at("dataset").at("images").get<int64_t>();
  FLATENN_CHECK(told_images == images, "tells of ", told_images, " images, the data set has ",
                images);
  FLATENN_CHECK(std::ssize(settings.at("models")) == models, "tells of ",
                settings.at("models").size(), " models, plan_models of ", models);
  check_number(settings, "trials", 1, 1e18);
}

void check_strata(const json& strata) {
  for (const json& stratum : strata) {
    check_number(stratum, "layer", 0, 1e6);
    check_number(stratum, "bit", 0, 63);
    check_number(stratum, "population", 1, 1e18);
    check_number(stratum, "wanted", 1, stratum.at("population").get<double>());
    FLATENN_CHECK(stratum.at("name").is_string(), "a stratum has no name");
  }
}

void check_layout(const json& layout, const json& settings) {
  const json& models = layout.at("models");
  FLATENN_CHECK(models.size() == settings.at("models").size(), "tells of ", models.size(),
                " models, settings of ", settings.at("models").size());
  FLATENN_CHECK(layout.at("levels").size() == settings.at("levels").size(), "tells of ",
                layout.at("levels").size(), " levels, settings of ", settings.at("levels").size());
  for (const json& model : models) {
    FLATENN_CHECK(model.at("goldens").size() == settings.at("kinds").size(),
                  "has not one golden pass for each kind");
    check_strata(model.at("strata"));
  }
  check_number(layout, "tolerated_drop", 0, 1);
  if (!layout.at("wanted_accuracy").is_null()) check_number(layout, "wanted_accuracy", 0, 1);
}

void check_map_strata(const json& cell, double trials) {
  check_number(cell, "untouched", 0, 1);
  check_number(cell, "untouched_faults", 0, 1e15);
  double sum = 0;
  for (const json& stratum : cell.at("strata")) {
    check_number(stratum, "bits", 1, 1e15);
    check_number(stratum, "weight", 0, 1);
    check_number(stratum, "sd", 0, 2);
    check_number(stratum, "trials", 2, trials);
    FLATENN_CHECK(stratum.at("name").is_string(), "a stratum has no name");
    sum += stratum.at("trials").get<double>();
  }
  FLATENN_CHECK(sum == trials, "gives ", sum, " trials to strata, a cell has ", trials);
}

void check_pilot(const json& pilot, const json& settings, int64_t dataset_images, int64_t cells) {
  const auto images = static_cast<double>(dataset_images);
  check_number(pilot, "trials", 1, 1e9);
  check_number(pilot, "images", 1, images);
  check_number(pilot, "images_per_trial", 1, images);
  FLATENN_CHECK(std::ssize(pilot.at("cells")) == cells, "tells of ", pilot.at("cells").size(),
                " cells of ", cells);
  for (const json& cell : pilot.at("cells")) {
    check_number(cell, "mean", -1, 2);  // the control variate may carry it beyond [0, 1]
    check_number(cell, "between_sd", 0, 2);
    check_number(cell, "within_sd", 0, 2);
    check_number(cell, "control", 0, 1);
    FLATENN_CHECK(cell.contains("strata") == settings.contains("estimator"),
                  "and settings disagree on whether cells are stratified");
    if (cell.contains("strata")) check_map_strata(cell, settings.at("trials").get<double>());
  }
}

std::vector<PlanShape::Cell> cells_of(const json& settings, const json& layout) {
  const bool single = !settings.at("single_fault").is_null();
  const int64_t kinds = std::ssize(settings.at("kinds"));
  std::vector<PlanShape::Cell> cells;
  for (int64_t model = 0; model < std::ssize(layout.at("models")); ++model) {
    const json& strata = layout["models"][static_cast<size_t>(model)].at("strata");
    const int64_t levels = std::ssize(single ? strata : settings.at("levels"));
    FLATENN_CHECK(std::ssize(cells) + kinds * levels <= kMostCells, "tells of too many cells");
    for (int64_t kind = 0; kind < kinds; ++kind) {
      for (int64_t level = 0; level < levels; ++level) {
        const json& bound =
            single ? strata[static_cast<size_t>(level)].at("wanted") : settings.at("trials");
        cells.push_back(
            {.row = {.cell = std::ssize(cells), .model = model, .kind = kind, .level = level},
             .trials = bound.get<int64_t>()});
      }
    }
  }
  return cells;
}

/// Runs `check` on the JSON of a column; what it throws gets the column's name.
template <typename Check>
json read_column(const char* column, const std::string& text, const Check& check) {
  try {
    json read = json::parse(text);
    check(read);
    return read;
  } catch (const json::exception&) {
    throw Error(detail::concat(column, " is not as flatenn wrote it"));
  } catch (const Error& error) {
    throw Error(detail::concat(column, " ", error.what()));
  }
}

}  // namespace

PlanShape plan_shape(const PlanRow& plan, int64_t dataset_images, int64_t models) {
  PlanShape shape{.images_per_trial = dataset_images, .cells = {}};
  const json settings = read_column("settings", plan.settings, [&](const json& read) {
    check_settings(read, plan, dataset_images, models);
  });
  read_column("layout", plan.layout, [&](const json& layout) {
    check_layout(layout, settings);
    shape.cells = cells_of(settings, layout);
  });
  FLATENN_CHECK(!plan.pilot.empty() || !settings.contains("estimator"),
                "pilot is empty, but the plan is stratified");
  if (plan.pilot.empty()) return shape;
  read_column("pilot", plan.pilot, [&](const json& pilot) {
    check_pilot(pilot, settings, dataset_images, std::ssize(shape.cells));
    shape.images_per_trial = pilot.at("images_per_trial").get<int64_t>();
  });
  return shape;
}

}  // namespace flatenn::store
