#include "flatenn/campaign/pilot.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "campaign/distributions.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/campaign/stop_rule.h"

namespace flatenn::campaign {
namespace {

/// Sums over the images of one trial, with f and g as in PilotCell.
struct Moments {
  double n, f, g, fg;
};

Moments moments_of(const PilotTrial& trial) {
  const auto both = static_cast<double>(trial.right_both);
  return {.n = static_cast<double>(trial.images),
          .f = both + static_cast<double>(trial.right_faulty),
          .g = both + static_cast<double>(trial.right_golden),
          .fg = both};
}

/// Sums of squares and products about each trial's own mean, over all trials (f and g are 0 or 1).
struct Pooled {
  double degrees = 0, ff = 0, fg = 0, gg = 0;
};

Pooled pool(const std::vector<PilotTrial>& trials) {
  Pooled pooled;
  for (const PilotTrial& trial : trials) {
    const Moments m = moments_of(trial);
    pooled.degrees += m.n - 1;
    pooled.ff += m.f - m.f * m.f / m.n;
    pooled.gg += m.g - m.g * m.g / m.n;
    pooled.fg += m.fg - m.f * m.g / m.n;
  }
  return pooled;
}

double finite_factor(int64_t images, int64_t dataset_images) {
  return (1 - static_cast<double>(images) / static_cast<double>(dataset_images)) /
         static_cast<double>(images);
}

/// 16, 20, 25, ... up to all images: steps of a quarter.
std::vector<int64_t> image_grid(int64_t dataset_images) {
  constexpr int64_t kFewest = 16;
  std::vector<int64_t> grid;
  for (int64_t m = kFewest; m < dataset_images; m += std::max<int64_t>(1, m / 4)) grid.push_back(m);
  grid.push_back(dataset_images);
  return grid;
}

nlohmann::json strata_json(const std::vector<PilotStratum>& strata) {
  nlohmann::json list = nlohmann::json::array();
  for (const PilotStratum& stratum : strata) {
    list.push_back({{"name", stratum.name},
                    {"bits", stratum.bits},
                    {"weight", stratum.weight},
                    {"sd", stratum.sd},
                    {"trials", stratum.trials}});
  }
  return list;
}

std::vector<PilotStratum> strata_from(const nlohmann::json& cell) {
  std::vector<PilotStratum> strata;
  if (!cell.contains("strata")) return strata;
  for (const nlohmann::json& entry : cell.at("strata")) {
    strata.push_back({.name = entry.at("name"),
                      .bits = entry.at("bits"),
                      .weight = entry.at("weight"),
                      .sd = entry.at("sd"),
                      .trials = entry.at("trials")});
  }
  return strata;
}

}  // namespace

double PilotCell::variance(int64_t images, int64_t dataset_images) const {
  return between_sd * between_sd + within_sd * within_sd * finite_factor(images, dataset_images);
}

int64_t PilotCell::trials_for(double half_width, int64_t images, int64_t dataset_images,
                              int64_t max_trials) const {
  const double floor = 1 / static_cast<double>(images);
  const double sd = std::max(std::sqrt(variance(images, dataset_images)), floor);
  constexpr double kNormal = 1.95996;  // below Student's quantile, which takes longer, for any n
  for (int64_t n = 0;;) {
    n = std::min(next_checkpoint(n), max_trials);
    if (n == max_trials) return n;
    if (kNormal * sd > half_width * std::sqrt(static_cast<double>(n))) continue;
    if (student_interval(0, sd, n).half_width() <= half_width) return n;
  }
}

PilotCell estimate_cell(const std::vector<PilotTrial>& trials, int64_t dataset_images,
                        double golden_accuracy) {
  const Pooled pooled = pool(trials);
  PilotCell cell;
  cell.control = pooled.gg > 0 ? std::clamp(pooled.fg / pooled.gg, 0.0, 1.0) : 0;
  const double b = cell.control;
  const double squares = pooled.ff - 2 * b * pooled.fg + b * b * pooled.gg;
  const double within = std::max(0.0, squares / std::max(1.0, pooled.degrees));
  std::vector<double> values;
  for (const PilotTrial& trial : trials) {
    const Moments m = moments_of(trial);
    values.push_back(m.f / m.n - b * (m.g / m.n - golden_accuracy));
  }
  const Summary summary = summarize(values);
  const double noise = within * finite_factor(trials.front().images, dataset_images);
  cell.mean = summary.mean;
  cell.within_sd = std::sqrt(within);
  cell.between_sd = std::sqrt(std::max(0.0, summary.sd * summary.sd - noise));
  return cell;
}

int64_t choose_images(const std::vector<PilotCell>& cells, int64_t dataset_images,
                      std::optional<double> half_width, int64_t max_trials, int64_t overhead) {
  int64_t best = dataset_images;
  double best_cost = INFINITY;
  for (const int64_t images : image_grid(dataset_images)) {
    double cost = 0;
    for (const PilotCell& cell : cells) {
      const double units = half_width ? static_cast<double>(cell.trials_for(
                                            *half_width, images, dataset_images, max_trials))
                                      : cell.variance(images, dataset_images);
      cost += units * static_cast<double>(images + overhead);
    }
    if (cost < best_cost) {
      best_cost = cost;
      best = images;
    }
  }
  return best;
}

std::string Pilot::to_json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const PilotCell& cell : cells) {
    nlohmann::json entry = {{"mean", cell.mean},
                            {"between_sd", cell.between_sd},
                            {"within_sd", cell.within_sd},
                            {"control", cell.control}};
    if (!cell.strata.empty()) {
      entry["untouched"] = cell.untouched;
      entry["untouched_faults"] = cell.untouched_faults;
      entry["strata"] = strata_json(cell.strata);
    }
    list.push_back(std::move(entry));
  }
  return nlohmann::json{{"trials", trials},
                        {"images", images},
                        {"images_per_trial", images_per_trial},
                        {"cells", list}}
      .dump();
}

Pilot Pilot::from_json(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text);
  Pilot pilot{.trials = json.at("trials"),
              .images = json.at("images"),
              .images_per_trial = json.at("images_per_trial"),
              .cells = {}};
  for (const nlohmann::json& cell : json.at("cells")) {
    pilot.cells.push_back({.mean = cell.at("mean"),
                           .between_sd = cell.at("between_sd"),
                           .within_sd = cell.at("within_sd"),
                           .control = cell.at("control"),
                           .strata = strata_from(cell),
                           .untouched = cell.value("untouched", 0.0),
                           .untouched_faults = cell.value("untouched_faults", 0.0)});
  }
  return pilot;
}

}  // namespace flatenn::campaign
