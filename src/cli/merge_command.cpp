#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/standing_table.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/campaign/merge.h"

namespace flatenn::cli {
namespace {

/// Not all that the stop rules ask for is there yet.
constexpr int kOpenExitCode = 3;

struct MergeOptions {
  std::vector<std::string> parts;
  std::string out;
  bool json = false;
};

void report_part(const campaign::MergedPart& part) {
  log::info(part.file.string(), ": plan '", part.plan, "'",
            part.share ? ", share " + part.share->text() : "", ": ", part.counts.added,
            " trials added, ", part.counts.known, " were there");
}

/// A share that ended by its own guess goes on only where it is told how far.
std::string advice(const campaign::MergedPlan& plan) {
  const bool ended = std::any_of(plan.open_shares.begin(), plan.open_shares.end(),
                                 [](const auto& open) { return open.is_there; });
  int64_t until = 0;
  for (const campaign::CellStanding& cell : plan.standing.cells)
    if (!cell.missing.empty()) until = std::max(until, cell.wanted);
  if (!ended || until == 0) return "the shares' command";
  return detail::concat("the shares' command and --until ", until,
                        " (no fewer; more save further rounds)");
}

void print_plan(const campaign::MergedPlan& plan, const std::string& out) {
  print_standing(plan.standing);
  print_open_shares(plan.standing);
  if (plan.standing.finished()) return;
  print_open_cells(plan.standing);
  print_wrapped(detail::concat("  run what is missing with ", advice(plan),
                               " and merge again, or all of it with flatenn campaign on ", out));
}

nlohmann::json plan_json(const campaign::MergedPlan& plan) {
  nlohmann::json json = standing_json(plan.standing);
  json["open_shares"] = open_shares_json(plan.standing);
  return json;
}

void run(const MergeOptions& options) {
  const std::vector<campaign::MergedPlan> plans = campaign::merge_shares(
      {options.parts.begin(), options.parts.end()}, options.out, report_part);
  bool open = false;
  nlohmann::json list = nlohmann::json::array();
  for (const campaign::MergedPlan& plan : plans) {
    open = open || !plan.standing.finished();
    if (options.json) {
      list.push_back(plan_json(plan));
    } else {
      print_plan(plan, options.out);
    }
  }
  if (options.json) std::printf("%s\n", list.dump(2).c_str());
  if (open) throw CLI::RuntimeError(kOpenExitCode);
}

}  // namespace

void add_merge_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* command = app.add_subcommand(
      "merge", "Join the files of a campaign's shares (exit code 3: something is still to run)");
  command->add_option("parts", options->parts, "Result files of flatenn campaign --share")
      ->required();
  command->add_option("-o,--output", options->out, "Joined file; made or added to")->required();
  command->add_flag("--json", options->json, "What is there and what is missing, as JSON");
  command->callback([options] {
    say_what_is_kept("parts merged so far are kept; the same command goes on from there");
    run(*options);
  });
}

}  // namespace flatenn::cli
