#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/train/run.h"

namespace flatenn::cli {
namespace {

struct TrainOptions {
  std::string config;
  std::vector<std::string> assignments;
  train::TrainRequest request;
};

void print(const train::TrainOutcome& outcome, const std::filesystem::path& out) {
  const train::RunResult& result = *outcome.result;
  std::printf("accuracy %.2f %%  loss %.4f  sparsity %.1f %%  %.0f s (%.0f images/s)  %s\n",
              100 * result.accuracy, result.loss, 100 * result.sparsity, result.seconds,
              result.images_per_second, out.c_str());
}

void run(const TrainOptions& options, const GlobalOptions& global) {
  say_what_is_kept("the last checkpoint is kept; add --resume to the same command to go on");
  Config config = Config::from_file(options.config);
  for (const std::string& assignment : options.assignments) config.set(assignment);
  train::TrainRequest request = options.request;
  request.quiet = global.quiet;
  const InterruptGuard interrupt;
  request.stop_requested = [&] { return interrupt.requested(); };
  const train::TrainOutcome outcome = train::run_training(std::move(config), request);
  if (outcome.status == train::RunStatus::kInterrupted) {
    std::fprintf(stderr, "flatenn: stopped; add --resume to the same command to go on\n");
    throw CLI::RuntimeError(interrupt.exit_code());
  }
  print(outcome, request.out);
}

}  // namespace

void add_train_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command =
      app.add_subcommand("train", "Train a network and freeze it into an ONNX file");
  command
      ->add_option(
          "config", options->config,
          "Training configuration; a key that it does not know is named, with the nearest one")
      ->required()
      ->type_name("CONFIG.toml");
  command->add_option("--out", options->request.out, "Run folder to fill")->required();
  command->add_option("--set", options->assignments, "Key to set over the file, as train.epochs=3")
      ->type_name("KEY=VALUE")
      ->take_all();
  command->add_flag("--resume", options->request.resume, "Go on from the folder's checkpoint");
  command
      ->add_option("--device", options->request.device,
                   "cpu, cuda, cuda:1, or several GPUs that share each batch: cuda:0-3")
      ->check(device_name(/*several=*/true))
      ->capture_default_str();
  command->add_flag("--deterministic", options->request.deterministic,
                    "On cuda, only algorithms that give the same bits every time");
  command->add_option("--data-root", options->request.data_root,
                      "Folder of data sets (else $FLATENN_DATA, else ~/.cache/flatenn/data)");
  command->callback([options, &global] { run(*options, global); });
}

}  // namespace flatenn::cli
