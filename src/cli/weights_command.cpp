#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "flatenn/train/float_weights.h"

/// flatenn weights: a run's float weights for other libraries.
namespace flatenn::cli {
namespace {

struct WeightsOptions {
  std::string run;
  std::string output;
};

}  // namespace

void add_weights_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<WeightsOptions>();
  CLI::App* command =
      app.add_subcommand("weights", "Write a run's float weights and batch norm as safetensors");
  command->add_option("run", options->run, "Run folder")->required()->type_name("RUN");
  command->add_option("-o,--output", options->output, "File to write")
      ->required()
      ->type_name("FILE.safetensors");
  command->callback([options] {
    const int64_t count = train::write_float_weights(options->run, options->output);
    std::printf("%s: %ld tensors\n", options->output.c_str(), count);
  });
}

}  // namespace flatenn::cli
