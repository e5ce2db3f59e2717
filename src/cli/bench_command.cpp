#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/validators.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/bench.h"
#include "flatenn/engine/devices.h"
#include "flatenn/interop/model.h"

namespace flatenn::cli {
namespace {

using engine::BenchReport;
using engine::Spread;

constexpr int64_t kMostCount = 1'000'000'000;
/// The engine is chosen as for a campaign of about this length.
constexpr int64_t kPassesOfCampaigns = 1000;

struct BenchCommandOptions {
  std::string model = "lenet5";
  std::string engine = "cpu";
  std::optional<int> bits;
  int64_t images = 10000;
  int64_t threads = 0;
  engine::BenchOptions bench;
  bool json = false;
};

nlohmann::json spread_json(const Spread& spread) {
  return {{"median", spread.median}, {"fastest", spread.fastest}, {"slowest", spread.slowest}};
}

void print_json(const BenchCommandOptions& options, const BenchReport& report,
                const std::string& choice) {
  nlohmann::json layers = nlohmann::json::array();
  for (const auto& layer : report.layers) {
    layers.push_back({{"name", layer.name},
                      {"macs", layer.macs},
                      {"thread_seconds", spread_json(layer.seconds)},
                      {"gmacs_per_second", layer.gmacs_per_second},
                      {"share_of_peak", layer.share_of_peak}});
  }
  const nlohmann::json json{{"model", options.model},
                            {"engine", report.engine},
                            {"choice", choice},
                            {"images", report.images},
                            {"macs", report.macs},
                            {"trial_seconds", spread_json(report.trial_seconds)},
                            {"trial_cpu_seconds", spread_json(report.trial_cpu_seconds)},
                            {"images_per_second", spread_json(report.images_per_second)},
                            {"trials_per_second", report.trials_per_second},
                            {"gmacs_per_second", report.gmacs_per_second},
                            {"peak_gmacs_per_second", report.peak_gmacs_per_second},
                            {"layers", layers}};
  std::printf("%s\n", json.dump(2).c_str());
}

void print_table(const BenchCommandOptions& options, const BenchReport& report,
                 const std::string& choice) {
  const Spread& trial = report.trial_seconds;
  std::printf("%s, %ld images, engine %s\n", options.model.c_str(), report.images,
              report.engine.c_str());
  if (!choice.empty()) std::printf("  chosen      %s\n", choice.c_str());
  std::printf("  one trial   %10.2f ms   (fastest %.2f, slowest %.2f)\n", 1e3 * trial.median,
              1e3 * trial.fastest, 1e3 * trial.slowest);
  const Spread& cpu = report.trial_cpu_seconds;
  std::printf("  CPU time    %10.2f ms   (fastest %.2f, slowest %.2f)\n", 1e3 * cpu.median,
              1e3 * cpu.fastest, 1e3 * cpu.slowest);
  std::printf("  trials/s    %10.2f\n  images/s    %10.0f\n", report.trials_per_second,
              report.images_per_second.median);
  std::printf("  GMAC/s      %10.1f      %.0f %% of the %.1f measured as this machine's peak\n",
              report.gmacs_per_second, 100 * report.gmacs_per_second / report.peak_gmacs_per_second,
              report.peak_gmacs_per_second);
  if (report.layers.empty()) return;
  std::printf("\n%-20s %12s %12s %22s %9s %7s\n", "layer", "MACs", "thread ms", "fastest..slowest",
              "GMAC/s", "peak");
  for (const auto& layer : report.layers) {
    std::printf("%-20s %12ld %12.3f %10.3f..%-10.3f %9.1f %5.0f %%\n", layer.name.c_str(),
                layer.macs, 1e3 * layer.seconds.median, 1e3 * layer.seconds.fastest,
                1e3 * layer.seconds.slowest, layer.gmacs_per_second, 100 * layer.share_of_peak);
  }
}

net::Network network_of(const BenchCommandOptions& options) {
  constexpr int kBits = 4;
  if (!std::filesystem::exists(options.model)) {
    return engine::bench_network(options.model, options.bits.value_or(kBits));
  }
  FLATENN_CHECK(!options.bits, "--bits: ", options.model, " has bits of its own");
  return interop::read_model(options.model);
}

void run(const BenchCommandOptions& options) {
  auto network = std::make_shared<net::Network>(network_of(options));
  const auto images = engine::bench_images(*network, options.images);
  engine::EngineOptions engine_options = engine::engine_options(options.engine, options.threads);
  engine_options.passes = kPassesOfCampaigns;
  const auto engine = engine::make_engine(network, images, engine_options);
  const BenchReport report =
      engine::bench(*engine, *network, *images, options.threads, options.bench);
  const std::string choice =
      options.engine == "cpu" ? engine::explain_cpu_choice(network, *images, engine_options) : "";
  options.json ? print_json(options, report, choice) : print_table(options, report, choice);
}

}  // namespace

void add_bench_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<BenchCommandOptions>();
  CLI::App* command = app.add_subcommand(
      "bench", "Measure an engine: trials/s, images/s, GMAC/s and share of the machine's peak");
  command
      ->add_option("--model", options->model,
                   "ONNX file or run folder, or lenet5, resnet20 or resnet18 with random weights")
      ->capture_default_str()
      ->group("Work");
  command
      ->add_option(
          "--engine", options->engine,
          "reference, cpu (the fastest of the others but cuda), lanes, onednn, general or cuda "
          "(cuda:1: the second GPU)")
      ->check(engine_name(false))
      ->capture_default_str()
      ->group("Machine");
  command->add_option("--bits", options->bits, "Bits of weights and activations of random networks")
      ->check(CLI::Range(2, 8))
      ->default_str("4")
      ->group("Work");
  command->add_option("--images", options->images, "Random images")
      ->check(CLI::Range(int64_t{1}, kMostCount))
      ->capture_default_str()
      ->group("Work");
  command->add_option("--trials", options->bench.trials, "Trials handed to the engine at once")
      ->check(CLI::Range(int64_t{1}, kMostCount))
      ->capture_default_str()
      ->group("Work");
  command
      ->add_option("--repetitions", options->bench.repetitions,
                   "Timed repetitions, after one that warms up")
      ->check(CLI::Range(int64_t{1}, kMostCount))
      ->capture_default_str()
      ->group("Work");
  command
      ->add_option("--share", options->bench.bit_error_share,
                   "Share of weights that differ from the golden ones in each trial")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group("Work");
  command->add_option("--threads", options->threads, "Threads (0: all cores)")
      ->check(CLI::Range(int64_t{0}, kMostCount))
      ->capture_default_str()
      ->group("Machine");
  command->add_flag("--json", options->json, "Print JSON")->group("Results");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
