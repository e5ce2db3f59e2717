#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/results_table.h"
#include "flatenn/base/error.h"
#include "flatenn/report/paper.h"

namespace flatenn::cli {
namespace {

struct ResultsOptions {
  std::string file;
  std::string plan;
  std::string copy;
  std::string format = "text";
  bool csv = false;
  bool json = false;
  bool commands = false;
};

std::vector<campaign::PlanResult> selected(const ResultsOptions& options) {
  std::vector<campaign::PlanResult> plans = campaign::load_results(options.file);
  if (options.plan.empty()) {
    FLATENN_CHECK(!plans.empty(), options.file, ": holds no campaigns yet");
    return plans;
  }
  std::erase_if(plans, [&](const auto& plan) { return plan.name != options.plan; });
  FLATENN_CHECK(!plans.empty(), options.file, ": holds no plan named '", options.plan, "'");
  return plans;
}

void print_commands(const campaign::PlanResult& plan) {
  for (const campaign::CellResult& cell : plan.cells) {
    std::printf("%s\n", plan.reproduce_command(cell).c_str());
  }
  for (const campaign::StratumResult& stratum : plan.strata) {
    std::printf("%s\n", plan.reproduce_command(stratum).c_str());
  }
}

void save_copy(const ResultsOptions& options) {
  store::Store::open(options.file, store::Store::Access::kRead).save_copy(options.copy);
  std::printf("%s\n", options.copy.c_str());
}

void print_json(const std::vector<campaign::PlanResult>& plans) {
  nlohmann::json list = nlohmann::json::array();
  for (const campaign::PlanResult& plan : plans) list.push_back(to_json(plan));
  std::printf("%s\n", list.dump(2).c_str());
}

using Printer = void (*)(const campaign::PlanResult& plan);

void print_latex(const campaign::PlanResult& plan) {
  std::fputs(report::to_latex(report::paper_table(plan)).c_str(), stdout);
}

void print_markdown(const campaign::PlanResult& plan) {
  std::fputs(report::to_markdown(report::paper_table(plan)).c_str(), stdout);
}

Printer printer_of(const ResultsOptions& options) {
  if (options.commands) return print_commands;
  if (options.format == "latex") return print_latex;
  return options.format == "markdown" ? print_markdown : print_results;
}

void print(const ResultsOptions& options) {
  if (!options.copy.empty()) return save_copy(options);
  const std::vector<campaign::PlanResult> plans = selected(options);
  if (options.json || options.format == "json") return print_json(plans);
  if (options.csv || options.format == "csv") {
    std::fputs(campaign::to_csv(plans).c_str(), stdout);
    return;
  }
  for (const campaign::PlanResult& plan : plans) {
    if (&plan != plans.data()) std::printf("\n");
    printer_of(options)(plan);
  }
}

}  // namespace

void add_results_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<ResultsOptions>();
  CLI::App* command =
      app.add_subcommand("results", "Print the statistics of campaigns stored in a file");
  command->add_option("file", options->file, "Result file of flatenn campaign")->required();
  command->add_option("--plan", options->plan, "Only the plan of this name");
  auto* const format =
      command
          ->add_option("--format", options->format,
                       "text (default); csv: a line a cell; json: everything, trials included; "
                       "latex and markdown: a table for a paper or a page")
          ->check(CLI::IsMember({"text", "csv", "json", "latex", "markdown"}));
  auto* const csv = command->add_flag("--csv", options->csv, "The same as --format csv");
  auto* const json = command->add_flag("--json", options->json, "The same as --format json");
  auto* const commands = command->add_flag("--commands", options->commands,
                                           "For each cell the command that runs it again");
  auto* const copy =
      command->add_option("--save-copy", options->copy,
                          "Write all of the file into a new one, also while it is in use");
  copy->excludes(csv)->excludes(json)->excludes(commands)->excludes(format);
  format->excludes(csv)->excludes(json)->excludes(commands);
  csv->excludes(json)->excludes(commands);
  json->excludes(commands);
  command->callback([options] { print(*options); });
}

}  // namespace flatenn::cli
