#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/analysis_output.h"
#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "flatenn/analysis/landscape.h"
#include "flatenn/analysis/latent_surface.h"
#include "flatenn/base/error.h"
#include "flatenn/base/progress.h"
#include "flatenn/net/onnx.h"
#include "flatenn/nn/runtime.h"
#include "flatenn/train/checkpoint.h"

namespace flatenn::cli {
namespace {

struct LandscapeCommand {
  EvaluationOptions inputs;
  analysis::LandscapeOptions grid;
  std::string space = "after";
  std::string direction = "random";
  std::string towards;
  uint64_t seed = 0;
  bool json = false;
  std::string out;
};

bool is_latent(const LandscapeCommand& options) { return options.space == "before"; }

torch::Tensor weights_of(const LandscapeCommand& options, const std::string& path) {
  if (is_latent(options)) return analysis::latent_weights(*train::load_run(path).model);
  const auto network = std::make_shared<net::Network>(net::read_onnx(model_file(path)));
  return analysis::TorchNetwork(network).flat_weights();
}

analysis::LandscapeAxes axes_of(const LandscapeCommand& options, analysis::Surface& surface) {
  if (!options.towards.empty()) {
    return analysis::path_axes(surface, weights_of(options, options.towards), options.towards,
                               options.grid);
  }
  return options.direction == "ascent" ? analysis::ascent_axes(surface, options.seed, options.grid)
                                       : analysis::random_axes(surface, options.seed, options.grid);
}

/// All that decides the values of the points, in one line.
std::string identity_of(const LandscapeCommand& options, const net::Network& network,
                        const data::ImageSet& images) {
  return nlohmann::json{{"model_hash", net::content_hash(network)},
                        {"dataset_hash", images.content_hash},
                        {"images", images.count},
                        {"space", options.space},
                        {"direction", options.towards.empty() ? options.direction : "path"},
                        {"towards", options.towards},
                        {"points", options.grid.points},
                        {"range", options.grid.range},
                        {"plane", options.grid.two_dimensional},
                        {"seed", options.seed}}
      .dump();
}

nlohmann::json to_json(const analysis::Landscape& landscape, const std::string& identity) {
  nlohmann::json x = nlohmann::json::array(), y = x, loss = x, accuracy = x;
  for (const analysis::LandscapePoint& point : landscape.points) {
    x.push_back(point.x);
    y.push_back(point.y);
    loss.push_back(point.value.loss);
    accuracy.push_back(point.value.accuracy);
  }
  return {{"settings", nlohmann::json::parse(identity)},
          {"x_name", landscape.axes.x_name},
          {"y_name", landscape.axes.y_name},
          {"x", x},
          {"y", y},
          {"loss", loss},
          {"accuracy", accuracy}};
}

std::string file_stem(const LandscapeCommand& options) {
  const std::string direction = options.towards.empty() ? options.direction : "path";
  return std::string("landscape_") + options.space + "_" + direction +
         (options.grid.two_dimensional ? "_plane" : "_line");
}

std::unique_ptr<analysis::Surface> open_surface(const LandscapeCommand& options,
                                                const engine::ImageCodes& codes,
                                                const data::ImageSet& images,
                                                const analysis::LossSurface& dequantized) {
  if (!is_latent(options)) return std::make_unique<analysis::DequantizedSurface>(dequantized);
  FLATENN_CHECK(std::filesystem::is_directory(options.inputs.model), options.inputs.model,
                ": --space before needs a run folder, whose checkpoint holds the latent weights");
  return std::make_unique<analysis::LatentSurface>(
      train::load_run(options.inputs.model).model.ptr(), codes, images.labels);
}

void run(const LandscapeCommand& options, bool quiet) {
  nn::set_up_runtime(options.inputs.threads);
  const auto network =
      std::make_shared<net::Network>(net::read_onnx(model_file(options.inputs.model)));
  const data::ImageSet images = open_images(options.inputs, *network);
  const auto codes = engine::quantize_images(images, *network);
  const analysis::LossSurface dequantized(std::make_shared<analysis::TorchNetwork>(network), *codes,
                                          images.labels);
  const auto surface = open_surface(options, *codes, images, dequantized);
  const std::string identity = identity_of(options, *network, images);
  std::filesystem::create_directories(options.out);
  const std::filesystem::path csv =
      std::filesystem::path(options.out) / (file_stem(options) + ".csv");
  const int64_t rows = options.grid.two_dimensional ? options.grid.points : 1;
  Progress progress({.title = "landscape",
                     .total = rows * options.grid.points,
                     .unit = "points",
                     .quiet = quiet});
  const analysis::Landscape landscape =
      analysis::trace_landscape(*surface, axes_of(options, *surface), options.grid, csv, identity,
                                [&](int64_t, int64_t) { progress.advance(); });
  progress.finish();
  const nlohmann::json json = to_json(landscape, identity);
  write_analysis({options.out, file_stem(options), "landscape"}, *network, json);
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
  command->add_flag("--plane", options->grid.two_dimensional, "Two directions instead of one");
  command->add_option("--points", options->grid.points, "Points along each axis, odd")
      ->capture_default_str();
  command->add_option("--range", options->grid.range, "Largest coordinate")->capture_default_str();
  command
      ->add_option("--space", options->space,
                   "Move weights after quantization (as faults do) or before it (run folders)")
      ->check(CLI::IsMember({"after", "before"}))
      ->capture_default_str();
  command->add_option("--direction", options->direction, "First direction")
      ->check(CLI::IsMember({"random", "ascent"}))
      ->capture_default_str();
  command->add_option("--towards", options->towards, "Second model: walk the straight path to it");
  command->add_option("--seed", options->seed, "Seed of random directions")->capture_default_str();
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options, &global] { run(*options, global.quiet); });
}

}  // namespace flatenn::cli
