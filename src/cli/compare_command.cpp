#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"
#include "flatenn/campaign/compare.h"
#include "flatenn/report/paper.h"

namespace flatenn::cli {
namespace {

constexpr int kRegressionExitCode = 3;
constexpr double kPercent = 100;

struct CompareOptions {
  std::string before;
  std::string after;
  std::string plan;
  double tolerated_points = 0;
  bool json = false;
};

/// What two plans give, and what was faulty in each.
struct Comparison : campaign::PlanComparison {
  std::string faulty_before;
  std::string faulty_after;
};

std::string number(double value, const char* format = "%.2f") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// "-" where too few trials tell none.
std::string difference_interval(const campaign::Interval& ci) {
  if (!std::isfinite(ci.half_width())) return "-";
  return "[" + number(kPercent * ci.low) + ", " + number(kPercent * ci.high) + "]";
}

std::string verdict_of(const campaign::CellComparison& cell) {
  if (cell.regression) return "worse";
  return cell.gain ? "better" : "";
}

void print_table(const Comparison& comparison) {
  print_wrapped(comparison.before == comparison.after ? "plan " + printable(comparison.before)
                                                      : "plans " + printable(comparison.before) +
                                                            " and " + printable(comparison.after));
  print_wrapped(comparison.faulty_before == comparison.faulty_after
                    ? "  faulty: " + comparison.faulty_before
                    : "  caution, other faults: " + comparison.faulty_before + " before; " +
                          comparison.faulty_after + " after",
                4);
  const std::vector<TextColumn> columns = {{"model"},
                                           {"kind", false, 1},
                                           {"rate", true},
                                           {"before %", true},
                                           {"after %", true},
                                           {"difference", true},
                                           {"95 % interval", true, 2},
                                           {"maps", false, 3},
                                           {"", false}};
  std::vector<std::vector<std::string>> rows;
  for (const campaign::CellComparison& cell : comparison.cells) {
    rows.push_back({cell.model, cell.kind.empty() ? "no faults" : cell.kind,
                    cell.level.empty() ? "0" : cell.level, number(kPercent * cell.before),
                    number(kPercent * cell.after), number(kPercent * cell.difference, "%+.2f"),
                    difference_interval(cell.ci),
                    cell.kind.empty() ? ""
                    : cell.paired     ? "common"
                                      : "different",
                    verdict_of(cell)});
  }
  print_text_table(columns, rows);
  for (const std::string& what : comparison.unmatched)
    print_wrapped("not compared: " + printable(what));
}

nlohmann::json comparison_json(const Comparison& comparison) {
  nlohmann::json cells = nlohmann::json::array();
  for (const campaign::CellComparison& cell : comparison.cells) {
    const bool known = std::isfinite(cell.ci.half_width());
    cells.push_back(
        {{"model", cell.model},
         {"kind", cell.kind},
         {"level", cell.level},
         {"before", cell.before},
         {"after", cell.after},
         {"difference", cell.difference},
         {"ci", known ? nlohmann::json{cell.ci.low, cell.ci.high} : nlohmann::json(nullptr)},
         {"p_value", cell.p_value},
         {"paired", cell.paired},
         {"regression", cell.regression},
         {"gain", cell.gain}});
  }
  return {{"before", comparison.before},
          {"after", comparison.after},
          {"faulty_before", comparison.faulty_before},
          {"faulty_after", comparison.faulty_after},
          {"cells", cells},
          {"unmatched", comparison.unmatched},
          {"regression", comparison.has_regression()}};
}

const campaign::PlanResult* find_plan(const std::vector<campaign::PlanResult>& plans,
                                      const std::string& name) {
  for (const campaign::PlanResult& plan : plans) {
    if (plan.name == name) return &plan;
  }
  return nullptr;
}

/// Plans of one name in both files; the only ones of each where the names differ.
std::vector<Comparison> compare(const CompareOptions& options) {
  const auto before = campaign::load_results(options.before);
  const auto after = campaign::load_results(options.after);
  const double tolerated = options.tolerated_points / kPercent;
  std::vector<Comparison> comparisons;
  for (const campaign::PlanResult& plan : before) {
    const campaign::PlanResult* other = find_plan(after, plan.name);
    if (!options.plan.empty() && plan.name != options.plan) continue;
    if (other == nullptr && before.size() == 1 && after.size() == 1) other = &after.front();
    if (other == nullptr || plan.single_fault || other->single_fault) continue;
    comparisons.push_back({campaign::compare_plans(plan, *other, tolerated),
                           report::fault_words(plan), report::fault_words(*other)});
  }
  FLATENN_CHECK(!comparisons.empty(), options.after, ": holds no plan to compare with those of ",
                options.before, options.plan.empty() ? "" : " named '" + options.plan + "'");
  return comparisons;
}

/// A check of files that have nothing in common would always pass.
void check_something_compared(const CompareOptions& options,
                              const std::vector<Comparison>& comparisons) {
  const auto has_faulty_cell = [](const Comparison& comparison) {
    return std::any_of(comparison.cells.begin(), comparison.cells.end(),
                       [](const campaign::CellComparison& cell) { return !cell.kind.empty(); });
  };
  FLATENN_CHECK(std::any_of(comparisons.begin(), comparisons.end(), has_faulty_cell), options.after,
                ": has no cell with finished trials in common with ", options.before,
                ": same networks, kinds and rates are compared");
}

void run(const CompareOptions& options) {
  const std::vector<Comparison> comparisons = compare(options);
  bool regression = false;
  nlohmann::json list = nlohmann::json::array();
  for (const Comparison& comparison : comparisons) {
    regression = regression || comparison.has_regression();
    if (options.json) {
      list.push_back(comparison_json(comparison));
    } else {
      if (&comparison != comparisons.data()) std::printf("\n");
      print_table(comparison);
    }
  }
  if (options.json) std::printf("%s\n", list.dump(2).c_str());
  check_something_compared(options, comparisons);
  if (!options.json) {
    print_wrapped(regression ? "accuracy was lost" : "no accuracy was surely lost");
  }
  if (regression) throw CLI::RuntimeError(kRegressionExitCode);
}

}  // namespace

void add_compare_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<CompareOptions>();
  auto* command = app.add_subcommand(
      "compare", "Compare two result files: what the second lost or gained (exit code 3: lost)");
  command->add_option("before", options->before, "Result file of flatenn campaign")->required();
  command->add_option("after", options->after, "The one to judge")->required();
  command->add_option("--plan", options->plan, "Only the plan of this name");
  command
      ->add_option("--tolerate", options->tolerated_points,
                   "Points of accuracy that may be lost (default: 0)")
      ->check(CLI::Range(0.0, 100.0));
  command->add_flag("--json", options->json, "Everything as JSON");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
