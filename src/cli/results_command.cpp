#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/results_table.h"
#include "flatenn/base/error.h"

namespace flatenn::cli {
namespace {

struct ResultsOptions {
  std::string file;
  std::string plan;
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

void print(const ResultsOptions& options) {
  const std::vector<campaign::PlanResult> plans = selected(options);
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const campaign::PlanResult& plan : plans) list.push_back(to_json(plan));
    std::printf("%s\n", list.dump(2).c_str());
  } else if (options.csv) {
    std::fputs(campaign::to_csv(plans).c_str(), stdout);
  } else {
    for (const campaign::PlanResult& plan : plans) {
      if (&plan != plans.data()) std::printf("\n");
      (options.commands ? print_commands : print_results)(plan);
    }
  }
}

}  // namespace

void add_results_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<ResultsOptions>();
  CLI::App* command =
      app.add_subcommand("results", "Print the statistics of campaigns stored in a file");
  command->add_option("file", options->file, "Result file of flatenn campaign")->required();
  command->add_option("--plan", options->plan, "Only the plan of this name");
  auto* const csv = command->add_flag("--csv", options->csv, "One line a cell, comma-separated");
  auto* const json = command->add_flag("--json", options->json, "Everything, trials included");
  auto* const commands = command->add_flag("--commands", options->commands,
                                           "For each cell the command that runs it again");
  csv->excludes(json)->excludes(commands);
  json->excludes(commands);
  command->callback([options] { print(*options); });
}

}  // namespace flatenn::cli
