#include "cli/results_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace flatenn::cli {
namespace {

using campaign::CellResult;
using campaign::Interval;
using campaign::ModelResult;
using campaign::PairResult;
using campaign::PlanResult;
using campaign::StratumResult;
using campaign::Summary;
using campaign::ToleranceResult;

int width_of(const std::vector<std::string>& texts, size_t at_least) {
  size_t width = at_least;
  for (const std::string& text : texts) width = std::max(width, text.size());
  return static_cast<int>(width);
}

/// "-" where there is no value, or `count` trials are fewer than it takes to tell it.
std::string value_text(double value, int64_t count, int64_t least = 1) {
  if (count < least || !std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::string interval_text(const Interval& interval) {
  if (!std::isfinite(interval.half_width())) return "-";
  char text[48];
  std::snprintf(text, sizeof text, "[%.2f, %.2f]", 100 * interval.low, 100 * interval.high);
  return text;
}

std::vector<std::string> model_names(const PlanResult& plan) {
  std::vector<std::string> names;
  for (const ModelResult& model : plan.models) names.push_back(model.name);
  return names;
}

void print_cells(const PlanResult& plan) {
  const int name_width = width_of(model_names(plan), 5);
  const int kind_width = width_of(plan.kinds, 4);
  std::printf("%-*s  %-*s  %10s  %6s  %7s  %16s  %6s  %6s  %6s  %6s  %7s  %s\n", name_width,
              "model", kind_width, "kind", "rate", "trials", "mean %", "95 % interval", "sd",
              "median", "min", "yield", "sdc1 %", "stop");
  for (const CellResult& cell : plan.cells) {
    const Summary& a = cell.accuracy;
    const auto told = [&](double value, int64_t least = 1) {
      return value_text(value, a.count, least);
    };
    std::printf("%-*s  %-*s  %10s  %6ld  %7s  %16s  %6s  %6s  %6s  %6s  %7s  %s\n", name_width,
                plan.models[static_cast<size_t>(cell.model)].name.c_str(), kind_width,
                plan.kinds[static_cast<size_t>(cell.kind)].c_str(),
                plan.levels[static_cast<size_t>(cell.level)].label.c_str(), a.count,
                told(100 * a.mean).c_str(), interval_text(cell.ci).c_str(),
                told(100 * a.sd, 2).c_str(), told(100 * a.median).c_str(),
                told(100 * a.min).c_str(), told(cell.yield).c_str(),
                told(100 * cell.sdc1()).c_str(), to_string(cell.stop).c_str());
  }
}

void print_image_share(const PlanResult& plan) {
  int64_t images = plan.dataset_images;
  for (const CellResult& cell : plan.cells) {
    if (cell.images > 0) images = std::min(images, cell.images);
  }
  if (images == plan.dataset_images) return;
  std::printf(
      "\ntrials look at %ld of %ld images: sd, median and min are those of their estimates, and "
      "tell no yield\n",
      images, plan.dataset_images);
}

/// Cells whose trials are skewed, with the interval that allows for it.
void print_skewed(const PlanResult& plan) {
  const auto skewed = [](const CellResult& cell) { return cell.skew_ci.has_value(); };
  if (std::none_of(plan.cells.begin(), plan.cells.end(), skewed)) return;
  std::printf("\nskewed cells: read Hall's interval rather than Student's\n");
  const int name_width = width_of(model_names(plan), 5);
  const int kind_width = width_of(plan.kinds, 4);
  for (const CellResult& cell : plan.cells) {
    if (!skewed(cell)) continue;
    std::printf("%-*s  %-*s  %10s  %16s  skewness %+.1f\n", name_width,
                plan.models[static_cast<size_t>(cell.model)].name.c_str(), kind_width,
                plan.kinds[static_cast<size_t>(cell.kind)].c_str(),
                plan.levels[static_cast<size_t>(cell.level)].label.c_str(),
                interval_text(*cell.skew_ci).c_str(), cell.accuracy.skew);
  }
}

/// A rate that is 0 lies below the lowest one measured.
std::string tolerable_text(double rate, bool beyond, double lowest) {
  char text[32];
  const bool below = rate == 0 && lowest > 0;
  std::snprintf(text, sizeof text, "%s%.3g",
                below    ? "< "
                : beyond ? ">= "
                         : "",
                below ? lowest : rate);
  return text;
}

void print_tolerances(const PlanResult& plan) {
  if (plan.tolerances.empty()) return;
  std::printf("\ntolerable %s (mean accuracy at most %.2f points below fault-free)\n",
              plan.by_counts() ? "number of faults" : "bit error rate", 100 * plan.tolerated_drop);
  const int name_width = width_of(model_names(plan), 5);
  const int kind_width = width_of(plan.kinds, 4);
  for (const ToleranceResult& item : plan.tolerances) {
    const double lowest = plan.levels.front().place();
    std::printf("%-*s  %-*s  %s  [%s, %s]\n", name_width,
                plan.models[static_cast<size_t>(item.model)].name.c_str(), kind_width,
                plan.kinds[static_cast<size_t>(item.kind)].c_str(),
                tolerable_text(item.rate, item.beyond, lowest).c_str(),
                tolerable_text(item.ci.low, false, lowest).c_str(),
                tolerable_text(item.ci.high, item.high_beyond, lowest).c_str());
  }
}

void print_pairs(const PlanResult& plan) {
  if (plan.pairs.empty()) return;
  std::printf("\ndifferences on common maps and images (these two networks), in points\n");
  for (const PairResult& pair : plan.pairs) {
    std::printf("%s - %s  %s  %s: %+.2f  %s  p = %.2g, Holm %.2g (n = %ld)\n",
                plan.models[static_cast<size_t>(pair.model_b)].name.c_str(),
                plan.models[static_cast<size_t>(pair.model_a)].name.c_str(),
                plan.kinds[static_cast<size_t>(pair.kind)].c_str(),
                plan.levels[static_cast<size_t>(pair.level)].label.c_str(), 100 * pair.difference,
                interval_text(pair.ci).c_str(), pair.p_value, pair.holm_p_value, pair.trials);
  }
}

void print_strata(const PlanResult& plan) {
  const int name_width = width_of(model_names(plan), 5);
  const int kind_width = width_of(plan.kinds, 4);
  std::vector<std::string> layers;
  for (const StratumResult& s : plan.strata) layers.push_back(s.layer_name);
  const int layer_width = width_of(layers, 5);
  std::printf("%-*s  %-*s  %-*s  %4s  %10s  %7s  %8s  %10s  %16s\n", name_width, "model",
              kind_width, "kind", layer_width, "layer", "bit", "faults", "tried", "critical",
              "critical %", "95 % interval");
  for (const StratumResult& s : plan.strata) {
    std::printf("%-*s  %-*s  %-*s  %4s  %10ld  %7ld  %8ld  %10s  %16s\n", name_width,
                plan.models[static_cast<size_t>(s.model)].name.c_str(), kind_width,
                plan.kinds[static_cast<size_t>(s.kind)].c_str(), layer_width, s.layer_name.c_str(),
                s.bit < 0 ? "all" : std::to_string(s.bit).c_str(), s.population, s.tried,
                s.critical, value_text(100 * s.share, s.tried).c_str(),
                interval_text(s.ci).c_str());
  }
}

}  // namespace

void print_results(const PlanResult& plan) {
  std::printf("plan %s: %s, %ld images, seed %lu, fingerprint %s%s\n", plan.name.c_str(),
              plan.dataset.c_str(), plan.dataset_images, plan.seed,
              plan.fingerprint.substr(0, 12).c_str(),
              plan.time_limited ? " (ended by a time limit: not reproducible)" : "");
  for (const ModelResult& model : plan.models) {
    std::printf("  %s: fault-free %.2f %%, %ld weight bits\n", model.name.c_str(),
                100 * model.golden_accuracy, model.weight_bits);
  }
  if (plan.single_fault) {
    print_strata(plan);
    return;
  }
  print_cells(plan);
  print_image_share(plan);
  print_skewed(plan);
  print_tolerances(plan);
  print_pairs(plan);
}

}  // namespace flatenn::cli
