#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/validators.h"
#include "flatenn/analysis/landscape_question.h"
#include "flatenn/analysis/latent_surface.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/progress.h"
#include "flatenn/net/onnx.h"
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

torch::Tensor weights_of(const LandscapeCommand& options, const std::string& path) {
  if (is_latent(options)) return analysis::latent_weights(*train::load_run(path).model);
  const auto network = std::make_shared<net::Network>(net::read_onnx(path));
  return analysis::TorchNetwork(network).flat_weights();
}

analysis::LandscapeAxes axes_of(const LandscapeCommand& options, analysis::Surface& surface) {
  if (!options.question.towards.empty()) {
    return analysis::path_axes(surface, weights_of(options, options.question.towards),
                               options.question.towards, options.question.grid);
  }
  return options.question.direction == "ascent"
             ? analysis::ascent_axes(surface, options.question.seed, options.question.grid)
             : analysis::random_axes(surface, options.question.seed, options.question.grid);
}

std::unique_ptr<analysis::Surface> open_surface(const LandscapeCommand& options,
                                                const engine::ImageCodes& codes,
                                                const data::ImageSet& images,
                                                const analysis::LossSurface& dequantized) {
  if (!is_latent(options)) return std::make_unique<analysis::DequantizedSurface>(dequantized);
  FLATENN_CHECK(options.device == "cpu", "--device ", options.device,
                ": --space before freezes every point anew, on the CPU alone");
  FLATENN_CHECK(std::filesystem::is_directory(options.inputs.model), options.inputs.model,
                ": --space before needs a run folder, whose checkpoint holds the latent weights");
  return std::make_unique<analysis::LatentSurface>(
      train::load_run(options.inputs.model).model.ptr(), codes, images.labels);
}

void run(const LandscapeCommand& options, bool quiet) {
  nn::set_up_runtime(options.inputs.threads);
  const auto network = std::make_shared<net::Network>(net::read_onnx(options.inputs.model));
  const data::ImageSet images = open_images(options.inputs, *network);
  const auto codes = engine::quantize_images(images, *network);
  const analysis::LossSurface dequantized(
      std::make_shared<analysis::TorchNetwork>(network, torch::Device(options.device)), *codes,
      images.labels);
  const auto surface = open_surface(options, *codes, images, dequantized);
  const std::string identity = analysis::identity_of(options.question, *network, images);
  std::filesystem::create_directories(options.out);
  const std::filesystem::path csv =
      std::filesystem::path(options.out) / (analysis::file_stem(options.question) + ".csv");
  const int64_t rows = options.question.grid.two_dimensional ? options.question.grid.points : 1;
  Progress progress({.title = "landscape",
                     .total = rows * options.question.grid.points,
                     .unit = "points",
                     .quiet = quiet});
  const analysis::Landscape landscape =
      analysis::trace_landscape(*surface, axes_of(options, *surface), options.question.grid, csv,
                                identity, [&](int64_t, int64_t) { progress.advance(); });
  progress.finish();
  const nlohmann::json json = analysis::to_json(landscape, identity);
  analysis::write_result({options.out, analysis::file_stem(options.question), "landscape"},
                         *network, json);
  if (options.json) {
    std::printf("%s\n", json.dump(2).c_str());
  } else {
    std::printf("%s\n", csv.c_str());
  }
}

}  // namespace

void add_landscape_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<LandscapeCommand>();
  CLI::App* command = app.add_subcommand(
      "landscape", "Trace the loss around a trained network, on a line or plane");
  options->inputs.declare(*command);
  command->add_option("-o,--out", options->out, "Folder of the results; finished points are kept")
      ->required();
  command->add_flag("--plane", options->question.grid.two_dimensional,
                    "Two directions instead of one");
  command->add_option("--points", options->question.grid.points, "Points along each axis, odd")
      ->capture_default_str();
  command->add_option("--range", options->question.grid.range, "Largest coordinate")
      ->capture_default_str();
  command
      ->add_option("--space", options->question.space,
                   "Move weights after quantization (as faults do) or before it (run folders)")
      ->check(CLI::IsMember({"after", "before"}))
      ->capture_default_str();
  command->add_option("--direction", options->question.direction, "First direction")
      ->check(CLI::IsMember({"random", "ascent"}))
      ->capture_default_str();
  command->add_option("--towards", options->question.towards,
                      "Second model: walk the straight path to it");
  command->add_option("--seed", options->question.seed, "Seed of random directions")
      ->check(at_least(0))
      ->capture_default_str();
  command->add_option("--device", options->device, "Of LibTorch: cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options, &global] { run(*options, global.quiet); });
}

}  // namespace flatenn::cli
