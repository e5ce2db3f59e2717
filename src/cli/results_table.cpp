#include "cli/results_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"
#include "flatenn/report/answer.h"
#include "flatenn/report/paper.h"

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
  const std::vector<TextColumn> columns = {{"model"},           {"kind"},
                                           {"rate", true},      {"trials", true, 4},
                                           {"mean %", true},    {"95 % interval", true, 1},
                                           {"sd", true, 5},     {"median", true, 7},
                                           {"min", true, 6},    {"yield", true, 2},
                                           {"sdc1 %", true, 8}, {"stop", false, 3}};
  std::vector<std::vector<std::string>> rows;
  for (const CellResult& cell : plan.cells) {
    const Summary& a = cell.accuracy;
    const auto shown = [&](double value, int64_t least = 1) {
      return value_text(value, a.count, least);
    };
    rows.push_back({plan.models[static_cast<size_t>(cell.model)].name,
                    plan.kinds[static_cast<size_t>(cell.kind)],
                    plan.levels[static_cast<size_t>(cell.level)].label,
                    std::to_string(cell.trials()), shown(100 * a.mean), interval_text(cell.ci),
                    shown(100 * a.sd, 2), shown(100 * a.median), shown(100 * a.min),
                    shown(cell.yield), shown(100 * cell.sdc1()), to_string(cell.stop)});
  }
  print_text_table(columns, rows);
}

/// Cells without an estimate, and what they lack.
void print_untold(const PlanResult& plan) {
  for (const CellResult& cell : plan.cells) {
    const std::string reason = cell.untold();
    if (reason.empty()) continue;
    print_wrapped(detail::concat("not told: ", plan.models[static_cast<size_t>(cell.model)].name,
                                 "  ", plan.kinds[static_cast<size_t>(cell.kind)], "  ",
                                 plan.levels[static_cast<size_t>(cell.level)].label, ": ", reason));
  }
}

/// What a stratified cell is put together from.
void print_map_strata(const PlanResult& plan) {
  if (!plan.stratified) return;
  const auto shown = [](const CellResult& cell) { return cell.accuracy.count > 0; };
  if (std::any_of(plan.cells.begin(), plan.cells.end(), shown)) {
    print_wrapped(
        "\nloss of mean accuracy, in points, and share of maps that miss the wanted accuracy");
  }
  for (const CellResult& cell : plan.cells) {
    const ModelResult& model = plan.models[static_cast<size_t>(cell.model)];
    if (!shown(cell)) continue;
    const double golden = model.golden_accuracy;
    std::printf("%s  %s  %s: %.3g  [%.3g, %.3g]  %.3g  [%.3g, %.3g]\n", model.name.c_str(),
                plan.kinds[static_cast<size_t>(cell.kind)].c_str(),
                plan.levels[static_cast<size_t>(cell.level)].label.c_str(),
                100 * (golden - cell.accuracy.mean), 100 * (golden - cell.ci.high),
                100 * (golden - cell.ci.low), 1 - cell.yield, 1 - cell.yield_ci.high,
                1 - cell.yield_ci.low);
  }
  print_wrapped("\nstratified: maps by the most harmful class of bits that they hit");
  const std::vector<TextColumn> columns = {
      {"model", false, 1}, {"kind", false, 2}, {"rate", true},      {"class"},
      {"bits", true, 5},   {"of maps", true},  {"trials", true, 3}, {"mean %", true},
      {"sd", true, 4},     {"yield", true, 6}};
  std::vector<std::vector<std::string>> rows;
  for (const CellResult& cell : plan.cells) {
    const std::string& model = plan.models[static_cast<size_t>(cell.model)].name;
    const std::string& kind = plan.kinds[static_cast<size_t>(cell.kind)];
    const std::string& level = plan.levels[static_cast<size_t>(cell.level)].label;
    const auto weight = [](double share) {
      char text[32];
      std::snprintf(text, sizeof text, "%.4g", share);
      return std::string(text);
    };
    rows.push_back(
        {model, kind, level, "none: nothing changes", "", weight(cell.untouched), "0", "", "", ""});
    for (const campaign::MapStratumResult& stratum : cell.map_strata) {
      rows.push_back({model, kind, level, stratum.name, std::to_string(stratum.bits),
                      weight(stratum.weight), std::to_string(stratum.trials),
                      value_text(100 * stratum.mean, stratum.trials),
                      value_text(100 * stratum.sd, stratum.trials, 2),
                      value_text(stratum.yield, stratum.trials)});
    }
  }
  print_text_table(columns, rows);
}

void print_image_share(const PlanResult& plan) {
  int64_t images = plan.dataset_images;
  for (const CellResult& cell : plan.cells) {
    if (cell.images > 0) images = std::min(images, cell.images);
  }
  if (images == plan.dataset_images) return;
  print_wrapped(detail::concat("\ntrials look at ", images, " of ", plan.dataset_images,
                               " images: sd, median and min are those of their estimates, and tell "
                               "no yield"));
}

/// Cells whose trials are skewed, with the interval that allows for it.
void print_skewed(const PlanResult& plan) {
  const auto skewed = [](const CellResult& cell) { return cell.skew_ci.has_value(); };
  if (std::none_of(plan.cells.begin(), plan.cells.end(), skewed)) return;
  print_wrapped("\nskewed cells: read Hall's interval rather than Student's");
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

/// "0.0026", "< 0.001" or ">= 0.05".
std::string tolerable_text(double rate, bool below, bool beyond) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%.3g", below ? "< " : beyond ? ">= " : "", rate);
  return text;
}

void print_tolerances(const PlanResult& plan) {
  if (plan.tolerances.empty()) return;
  print_wrapped(detail::concat("\ntolerable ",
                               plan.by_counts() ? "number of faults" : "bit error rate",
                               " (mean accuracy at most ", value_text(100 * plan.tolerated_drop, 1),
                               " points below fault-free) [the measured ones that bracket it]"));
  const int name_width = width_of(model_names(plan), 5);
  const int kind_width = width_of(plan.kinds, 4);
  for (const ToleranceResult& item : plan.tolerances) {
    std::printf("%-*s  %-*s  %s  [%s, %s]\n", name_width,
                plan.models[static_cast<size_t>(item.model)].name.c_str(), kind_width,
                plan.kinds[static_cast<size_t>(item.kind)].c_str(),
                tolerable_text(item.rate, item.below, item.beyond).c_str(),
                tolerable_text(item.ci.low, item.low_below, false).c_str(),
                tolerable_text(item.ci.high, false, item.high_beyond).c_str());
  }
}

void print_pairs(const PlanResult& plan) {
  if (plan.pairs.empty()) return;
  print_wrapped("\ndifferences on common maps and images (these two networks), in points");
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
  const std::vector<TextColumn> columns = {
      {"model", false, 1},   {"kind", false, 2},   {"layer"},
      {"bit", true},         {"faults", true, 4},  {"tried", true, 3},
      {"critical", true, 5}, {"critical %", true}, {"95 % interval", true, 1}};
  std::vector<std::vector<std::string>> rows;
  for (const StratumResult& s : plan.strata) {
    rows.push_back({plan.models[static_cast<size_t>(s.model)].name,
                    plan.kinds[static_cast<size_t>(s.kind)], s.layer_name,
                    s.bit < 0 ? "all" : std::to_string(s.bit), std::to_string(s.population),
                    std::to_string(s.tried), std::to_string(s.critical),
                    value_text(100 * s.share, s.tried), interval_text(s.ci)});
  }
  print_text_table(columns, rows);
}

void print_head(const PlanResult& plan) {
  print_wrapped(
      detail::concat("plan ", plan.name, ": ", plan.dataset, ", ", plan.dataset_images,
                     " images, seed ", plan.seed, ", fingerprint ", plan.fingerprint.substr(0, 12),
                     plan.time_limited ? " (ended by a time limit: not reproducible)" : ""));
  if (plan.share) {
    print_wrapped("  share " + plan.share->text() +
                      " alone: its own trials, without those of the other shares",
                  4);
  }
  for (const ModelResult& model : plan.models) {
    print_wrapped(detail::concat("  ", model.name, ": fault-free ",
                                 value_text(100 * model.golden_accuracy, 1), " %, ",
                                 model.weight_bits, " weight bits"),
                  4);
  }
  const std::string faults = report::fault_words(plan);
  if (!faults.empty()) print_wrapped("  faulty: " + faults, 4);
}

void print_numbers(const PlanResult& plan) {
  if (plan.single_fault) {
    print_strata(plan);
    return;
  }
  print_cells(plan);
  print_untold(plan);
  print_image_share(plan);
  print_map_strata(plan);
  print_skewed(plan);
  print_tolerances(plan);
  print_pairs(plan);
}

}  // namespace

campaign::PlanResult with_printable_names(campaign::PlanResult plan) {
  plan.name = printable(plan.name);
  plan.dataset = printable(plan.dataset);
  for (ModelResult& model : plan.models) model.name = printable(model.name);
  for (StratumResult& stratum : plan.strata) stratum.layer_name = printable(stratum.layer_name);
  return plan;
}

void print_results(const PlanResult& result) {
  const PlanResult plan = with_printable_names(result);
  print_head(plan);
  print_numbers(plan);
  print_wrapped("\n" + report::answer_of(plan), 0);
}

}  // namespace flatenn::cli
