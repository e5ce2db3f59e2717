#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/text_table.h"
#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/printable.h"
#include "flatenn/report/answer.h"
#include "flatenn/study/claims.h"
#include "flatenn/study/regimes.h"
#include "flatenn/study/study.h"

namespace flatenn::cli {
namespace {

struct Arguments {
  std::string name;
  std::string config;
  std::string out;
  double minutes = 0;
  bool json = false;
  study::StudyOptions options;
  std::vector<std::string> regimes;
};

Config config_for(const Arguments& arguments) {
  if (!arguments.config.empty()) return Config::from_file(arguments.config);
  const std::vector<std::string> grids = study::grid_names();
  if (std::find(grids.begin(), grids.end(), arguments.name) != grids.end())
    return Config::from_string(study::grid_toml(arguments.name), arguments.name + ".toml");
  return Config::from_string(study::definition_toml(arguments.name),
                             "study-" + arguments.name + ".toml");
}

/// Closes with the sentences that open the report.
void print_answers(const Arguments& arguments, const study::StudyOutcome& outcome) {
  if (outcome.report.empty()) return;
  for (const std::string& answer : report::answers_of(report::collect({arguments.out})))
    print_wrapped(printable(answer), 0);
}

/// A study that was ended before its end says so.
void tell_ending(study::StudyEnding ending, const InterruptGuard& guard) {
  if (ending == study::StudyEnding::kTimeLimit)
    log::warn("the time limit ended the study; the same command goes on from here");
  if (ending == study::StudyEnding::kInterrupted) {
    log::warn("stopped; the same command goes on from here");
    throw CLI::RuntimeError(guard.exit_code());
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// All else is done and written by now.
void check_searches(const std::vector<std::string>& failed) {
  FLATENN_CHECK(failed.empty(),
                "--tune: every candidate diverged, so these were left out: ", joined(failed),
                "; give [tune.candidates] smaller learning rates");
}

void run_grid(const Arguments& arguments, Config config, const InterruptGuard& guard) {
  const study::Grid grid = study::read_grid(config, arguments.name);
  FLATENN_CHECK(arguments.options.analysis.empty() || arguments.options.analysis == "off",
                "--analysis: a study over regimes has none; give --config of a regime's study");
  const study::RegimesOutcome outcome =
      study::run_regimes(grid, {.study = arguments.options, .only = arguments.regimes});
  if (arguments.json) {
    std::printf("%s\n", study::regimes_json(grid, outcome).dump(2).c_str());
  } else {
    std::printf("%s\n%s\n", study::regimes_text(outcome).c_str(), outcome.report.c_str());
  }
  tell_ending(outcome.ending, guard);
  check_searches(outcome.failed);
}

void run(Arguments& arguments) {
  say_what_is_kept("finished trainings, checkpoints and trials are kept; the same command goes on");
  arguments.options.out = arguments.out;
  arguments.options.time_limit_s = 60 * arguments.minutes;
  const InterruptGuard guard;
  arguments.options.stop_requested = [&] { return guard.requested(); };
  Config config = config_for(arguments);
  if (study::has_grid(config)) return run_grid(arguments, std::move(config), guard);
  FLATENN_CHECK(arguments.regimes.empty(), "--regimes: ", arguments.name, " has no [grid]");
  const study::Definition definition = study::read_definition(config, arguments.name);
  const study::StudyOutcome outcome = study::run_study(definition, arguments.options);
  if (arguments.json) {
    std::printf("%s\n", study::outcome_json(outcome).dump(2).c_str());
  } else {
    std::printf("%s\n%s\n", study::outcome_text(outcome).c_str(), outcome.report.c_str());
    print_answers(arguments, outcome);
  }
  tell_ending(outcome.ending, guard);
  check_searches(outcome.failed);
}

void add_options(CLI::App& command, Arguments& arguments) {
  study::StudyOptions& options = arguments.options;
  std::vector<std::string> names = study::definition_names();
  for (const std::string& name : study::grid_names()) names.push_back(name);
  command.add_option("name", arguments.name, "Which: " + joined(names))->required();
  command.add_option("--out", arguments.out, "Study folder; what is finished there is kept")
      ->required();
  command.add_option("--data", options.data, "Data set in place of the study's");
  command
      .add_option("--epochs", options.epochs,
                  "Epochs of a training (sgd-2x: twice); warm-ups keep their share")
      ->check(at_least(1));
  command.add_option("--warm-epochs", options.warm_epochs, "Epochs of the network all start from")
      ->check(at_least(1));
  command.add_option("--trials", options.trials, "Fault maps a cell")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 31));
  command.add_option("--seeds", options.seeds, "Training seeds; verdicts need several")
      ->check(at_least(1));
  command
      .add_option("--first-seed", options.first_seed,
                  "Leave the seeds before it to another call on the same folder")
      ->check(at_least(1));
  command.add_option("--arms", options.arms, "Networks, as RECIPE-ACTIVATION: sgd-standard,...")
      ->delimiter(',');
  command
      .add_option("--regimes", arguments.regimes,
                  "Of a grid: those to work on, by name with * and ?; the rest for other calls")
      ->delimiter(',');
  command.add_option("--rho", options.rho, "Radius of sam and saq")->check(at_least(0));
  command.add_option("--analysis", options.analysis,
                     "Flatness, sensitivity and cost afterwards: off, brief (default), full");
  command.add_flag_callback(
      "--no-analysis", [&options] { options.analysis = "off"; }, "The same as --analysis off");
  command.add_flag("--tune", options.tune, "Choose settings on held-out training images first");
  command.add_flag("--tune-only", options.tune_only,
                   "The same, and end there: test images are not looked at");
  command.add_option("--set", options.settings, "key=value for every arm; may be repeated");
  command.add_option("--warm-set", options.warm_settings,
                     "key=value for the network all start from; may be repeated");
  command.add_option("--config", arguments.config, "Study definition in place of the one brought");
  command
      .add_option("--device", options.device,
                  "cpu, cuda, cuda:1, or several GPUs, each with trainings of its own: cuda:0-3")
      ->check(device_name(/*several=*/true));
  command.add_flag("--deterministic", options.deterministic,
                   "On cuda, train with algorithms that give the same bits every time");
  command
      .add_option("--jobs", options.jobs,
                  "Trainings side by side on the CPU (default: cores / train.threads)")
      ->check(at_least(1));
  command
      .add_option("--time-limit", arguments.minutes,
                  "Minutes after which to stop; the same command goes on")
      ->check(above(0));
  command.add_option("--data-root", options.data_root, "Where data sets are");
  command.add_flag("--json", arguments.json, "The closing table as JSON");
}

}  // namespace

void add_study_command(CLI::App& app, const GlobalOptions& global) {
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand(
      "study", "Train, inject faults, report and judge the paper's claims in one command");
  add_options(*command, *arguments);
  command->callback([&global, arguments] {
    arguments->options.quiet = global.quiet;
    arguments->options.command = global.command_line;
    run(*arguments);
  });
}

}  // namespace flatenn::cli
