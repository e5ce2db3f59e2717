#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/validators.h"
#include "flatenn/analysis/landscape_question.h"
#include "flatenn/analysis/latent_surface.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/interop/model.h"
#include "flatenn/nn/runtime.h"
#include "flatenn/train/checkpoint.h"

namespace flatenn::cli {
namespace {

struct LandscapeCommand {
  EvaluationOptions inputs;
  analysis::LandscapeQuestion question;
  bool json = false;
  std::string out;
  std::string device = "cpu";
};

bool is_latent(const LandscapeCommand& options) { return options.question.space == "before"; }

std::shared_ptr<net::Network> read_network(const std::string& path) {
  return std::make_shared<net::Network>(interop::read_model(path));
}

std::shared_ptr<nn::ModelImpl> load_model(const std::string& path) {
  FLATENN_CHECK(std::filesystem::is_directory(path), path,
                ": --space before needs a run folder, whose checkpoint holds the latent weights");
  return train::load_run(path).model.ptr();
}

/// Where the path of --towards ends.
analysis::WeightPoint other_end(const LandscapeCommand& options, const net::Network& start) {
  const std::string& path = options.question.towards;
  const auto network = read_network(path);
  analysis::check_same_codes(start, *network, path);
  if (is_latent(options)) {
    const auto model = load_model(path);
    return {path, analysis::latent_weights(*model), analysis::latent_rest(*model),
            analysis::latent_shapes(*model)};
  }
  const analysis::TorchNetwork view(network);
  return {path, view.flat_weights(), view.rest(), view.weight_shapes()};
}

void warn_of_infinite_losses(const analysis::Landscape& landscape) {
  const auto count = std::ranges::count_if(
      landscape.points, [](const auto& point) { return !std::isfinite(point.value.loss); });
  if (count == 0) return;
  log::warn("the loss is no finite number at ", count, " of ", landscape.points.size(),
            " points, which reports leave out; a smaller --range reaches fewer of them");
}

/// Also notes the hashes that the question needs.
analysis::LandscapeAxes axes_of(analysis::LandscapeQuestion& question,
                                const std::optional<analysis::WeightPoint>& end,
                                analysis::Surface& surface) {
  if (!end) {
    return question.direction == "ascent"
               ? analysis::ascent_axes(surface, question.seed, question.grid)
               : analysis::random_axes(surface, question.seed, question.grid);
  }
  question.towards_hash = analysis::weights_hash(torch::cat({end->weights, end->rest}));
  return analysis::path_axes(surface, *end, question.seed, question.grid);
}

std::unique_ptr<analysis::Surface> open_surface(const LandscapeCommand& options,
                                                const engine::ImageCodes& codes,
                                                const data::ImageSet& images,
                                                const analysis::LossSurface& dequantized) {
  if (!is_latent(options)) return std::make_unique<analysis::DequantizedSurface>(dequantized);
  FLATENN_CHECK(options.device == "cpu", "--device ", options.device,
                ": --space before freezes every point anew, on the CPU alone");
  return std::make_unique<analysis::LatentSurface>(load_model(options.inputs.model), codes,
                                                   images.labels);
}

/// Traces with a progress bar; Ctrl-C ends it between two points, all of which are kept.
analysis::Landscape trace(analysis::Surface& surface, const analysis::LandscapeAxes& axes,
                          const analysis::LandscapeQuestion& question,
                          const std::filesystem::path& csv, const std::string& identity,
                          bool quiet) {
  const InterruptGuard interrupt;
  ProgressBar bar("landscape", "points", quiet);
  return analysis::trace_landscape(surface, axes, question.grid, csv, identity,
                                   [&](int64_t done, int64_t total) {
                                     bar(done, total);
                                     if (!interrupt.requested() || done == total) return;
                                     log::warn("stopped after ", done, " of ", total,
                                               " points; the same command goes on from here");
                                     throw CLI::RuntimeError(interrupt.exit_code());
                                   });
}

void run(LandscapeCommand& options, bool quiet) {
  say_what_is_kept("finished points are kept; the same command goes on");
  nn::set_up_runtime(options.inputs.threads);
  analysis::LandscapeQuestion& question = options.question;
  analysis::check(question.grid);
  const auto network = read_network(options.inputs.model);
  std::optional<analysis::WeightPoint> end;
  if (!question.towards.empty()) end = other_end(options, *network);
  const data::ImageSet images = open_images(options.inputs, *network);
  const auto codes = engine::quantize_images(images, *network);
  const analysis::LossSurface dequantized(
      std::make_shared<analysis::TorchNetwork>(network, torch::Device(options.device)), *codes,
      images.labels);
  const auto surface = open_surface(options, *codes, images, dequantized);
  if (is_latent(options))
    question.latent_hash =
        analysis::weights_hash(torch::cat({surface->weights(), surface->rest()}));
  const analysis::LandscapeAxes axes = axes_of(question, end, *surface);
  const std::string identity = analysis::identity_of(question, *network, images);
  const std::string stem = analysis::file_stem(question);
  const std::filesystem::path csv = std::filesystem::path(options.out) / (stem + ".csv");
  analysis::make_folder(options.out);
  const analysis::Landscape landscape = trace(*surface, axes, question, csv, identity, quiet);
  warn_of_infinite_losses(landscape);
  const nlohmann::json json = analysis::to_json(landscape, identity);
  analysis::write_result({options.out, stem, "landscape"}, *network, json);
  std::printf("%s\n", options.json ? json.dump(2).c_str() : csv.c_str());
}

}  // namespace

void add_landscape_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<LandscapeCommand>();
  CLI::App* command = app.add_subcommand(
      "landscape", "Trace the loss around a trained network, on a line or plane");
  options->inputs.declare_inputs(*command);
  command->add_option("-o,--out", options->out, "Folder of the results; finished points are kept")
      ->required();
  command->add_flag("--plane", options->question.grid.two_dimensional,
                    "Two directions instead of one");
  command->add_option("--points", options->question.grid.points, "Points along each axis, odd")
      ->capture_default_str();
  command
      ->add_option("--range", options->question.grid.range,
                   "Largest coordinate: filter norms, or how far past a path's ends (half of it)")
      ->capture_default_str();
  command
      ->add_option("--space", options->question.space,
                   "Move weights after quantization (as faults do) or before it (run folders)")
      ->check(CLI::IsMember({"after", "before"}))
      ->capture_default_str();
  CLI::Option* const direction =
      command->add_option("--direction", options->question.direction, "First direction")
          ->check(CLI::IsMember({"random", "ascent"}))
          ->capture_default_str();
  command
      ->add_option("--towards", options->question.towards,
                   "Another model: walk the straight path to it")
      ->excludes(direction);
  command->add_option("--seed", options->question.seed, "Seed of random directions")
      ->check(at_least(0))
      ->capture_default_str();
  command
      ->add_option("--device", options->device,
                   "Of LibTorch: cpu, cuda or, for the second GPU, cuda:1")
      ->check(device_name(/*several=*/false))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options, &global] { run(*options, global.quiet); });
}

}  // namespace flatenn::cli
