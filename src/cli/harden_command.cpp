#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/reading_options.h"
#include "cli/text_table.h"
#include "cli/validators.h"
#include "flatenn/base/config.h"
#include "flatenn/base/error.h"
#include "flatenn/calibration/calibrate.h"
#include "flatenn/data/own_data.h"
#include "flatenn/interop/float_graph.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/train/harden.h"

/// flatenn harden: fine-tunes a network of any origin against faults.
namespace flatenn::cli {
namespace {

constexpr int64_t kCalibrationImages = 512;

struct HardenOptions {
  std::string model;
  std::string config;
  std::string data;
  std::string scales;
  std::vector<std::string> assignments;
  interop::ReadOptions read;
  bool calibrate = false;
  calibration::CalibrationOptions calibration;
  train::HardenRequest request;
  bool json = false;
};

Config read_config(const HardenOptions& options) {
  Config config = options.config.empty() ? Config::from_string("", "harden")
                                         : Config::from_file(options.config);
  for (const std::string& assignment : options.assignments) config.set(assignment);
  if (!options.data.empty())
    config.set("data.name=" + nlohmann::json(data::settled_data_name(options.data)).dump());
  if (!options.scales.empty()) config.set("quant.scales=\"" + options.scales + "\"");
  return config;
}

/// The data set where neither options nor configuration say one: the model's own.
void settle_data(Config& config, const net::Network& network) {
  if (config.has("data.name")) return;
  const auto own = network.metadata.find("dataset");
  FLATENN_CHECK(own != network.metadata.end() && !own->second.empty(), "harden: network ",
                network.name, " names no data set; say which one with --data");
  config.set("data.name=" + nlohmann::json(own->second).dump());
}

net::Network calibrated(const HardenOptions& options, Config& config) {
  FLATENN_CHECK(config.has("data.name"), "harden: --calibrate needs images: say which with --data");
  const std::string name = config.get_string("data.name", "");
  const data::ImageSet images = data::take_first(
      data::load_image_set(name, data::Split::kTrain,
                           data::resolve_data_root(options.request.training.data_root)),
      kCalibrationImages);
  interop::FloatGraph graph = interop::read_float_onnx(options.model);
  if (!graph.image.raw_pixels) graph.image = interop::image_transform(options.read.pixels);
  calibration::CalibrationOptions how = options.calibration;
  if (options.read.weight_bits != 0) how.weight_bits = options.read.weight_bits;
  return calibration::calibrate(calibration::fit_images(std::move(graph), images), images, how)
      .network;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * share);
  return text;
}

std::string with_interval(double mean, const campaign::Interval& ci) {
  char text[96];
  std::snprintf(text, sizeof text, "%.2f %% [%.2f, %.2f]", 100 * mean, 100 * ci.low, 100 * ci.high);
  return text;
}

std::string points(double change) {
  char text[32];
  std::snprintf(text, sizeof text, "%+.2f", 100 * change);
  return text;
}

std::string points_with_interval(double change, const campaign::Interval& ci) {
  char text[96];
  std::snprintf(text, sizeof text, "%+.2f [%+.2f, %+.2f]", 100 * change, 100 * ci.low,
                100 * ci.high);
  return text;
}

void print_table(const train::HardenOutcome& outcome, const std::filesystem::path& out) {
  const train::HardenFigures& before = outcome.before;
  const train::HardenFigures& after = outcome.after;
  char losses[2][32];
  std::snprintf(losses[0], sizeof losses[0], "%.4f", before.loss);
  std::snprintf(losses[1], sizeof losses[1], "%.4f", after.loss);
  std::vector<std::vector<std::string>> rows = {
      {"accuracy", percent(before.accuracy), percent(after.accuracy),
       points(after.accuracy - before.accuracy)},
      {"loss", losses[0], losses[1], ""},
      {"sparsity", percent(before.sparsity), percent(after.sparsity),
       points(after.sparsity - before.sparsity)}};
  for (const train::HardenCell& cell : outcome.cells) {
    rows.push_back({cell.kind + " " + cell.level, with_interval(cell.before, cell.before_ci),
                    with_interval(cell.after, cell.after_ci),
                    points_with_interval(cell.change, cell.change_ci)});
  }
  const std::string text = text_table({{.title = ""},
                                       {.title = "before", .right = true},
                                       {.title = "after", .right = true},
                                       {.title = "points", .right = true}},
                                      rows, output_columns());
  std::printf("%s", text.c_str());
  std::printf("accuracy under faults: mean of %ld fault maps with its 95 %% interval\n",
              outcome.cells.empty() ? 0 : outcome.cells.front().trials);
  for (const std::string& note : outcome.notes) std::printf("note: %s\n", note.c_str());
  std::printf("%s\n", (out / "model.onnx").c_str());
}

nlohmann::json json_of(const train::HardenFigures& figures) {
  return {{"accuracy", figures.accuracy}, {"loss", figures.loss}, {"sparsity", figures.sparsity}};
}

void print_json(const train::HardenOutcome& outcome, const HardenOptions& options) {
  nlohmann::json cells = nlohmann::json::array();
  const auto bounds = [](const campaign::Interval& ci) { return nlohmann::json{ci.low, ci.high}; };
  for (const train::HardenCell& cell : outcome.cells) {
    cells.push_back({{"kind", cell.kind},
                     {"level", cell.level},
                     {"trials", cell.trials},
                     {"before", cell.before},
                     {"before_ci", bounds(cell.before_ci)},
                     {"after", cell.after},
                     {"after_ci", bounds(cell.after_ci)},
                     {"change", cell.change},
                     {"change_ci", bounds(cell.change_ci)}});
  }
  const nlohmann::json json{{"model", options.model},
                            {"output", (options.request.training.out / "model.onnx").string()},
                            {"before", json_of(outcome.before)},
                            {"after", json_of(outcome.after)},
                            {"faults", cells},
                            {"seconds", outcome.training.seconds},
                            {"images_per_second", outcome.training.images_per_second},
                            {"notes", outcome.notes}};
  std::printf("%s\n", json.dump(2).c_str());
}

void run(const HardenOptions& options, const GlobalOptions& global) {
  say_what_is_kept("the last checkpoint is kept; add --resume to the same command to go on");
  Config config = read_config(options);
  train::HardenRequest request = options.request;
  request.training.network = std::make_shared<const net::Network>(
      options.calibrate ? calibrated(options, config)
                        : interop::read_model(options.model, options.read));
  settle_data(config, *request.training.network);
  request.training.quiet = global.quiet;
  request.command_line = global.command_line;
  const InterruptGuard interrupt;
  request.training.stop_requested = [&] { return interrupt.requested(); };
  const train::HardenOutcome outcome = train::harden(std::move(config), request);
  if (outcome.status == train::RunStatus::kInterrupted) {
    std::fprintf(stderr, "flatenn: stopped; add --resume to the same command to go on\n");
    throw CLI::RuntimeError(interrupt.exit_code());
  }
  options.json ? print_json(outcome, options) : print_table(outcome, request.training.out);
}

void declare_reading(CLI::App& command, HardenOptions& options) {
  add_pixels_option(command, options.read.pixels);
  command
      .add_option("--weight-bits", options.read.weight_bits,
                  "Bits of a stored weight, where codes use fewer than their type [what the file "
                  "says]; with --calibrate, those to quantize to [8]")
      ->check(CLI::Range(1, 8));
  CLI::Option* const calibrate =
      command.add_flag("--calibrate", options.calibrate,
                       "The network is a float one: quantize it first, on 512 training images");
  command
      .add_option("--activation-bits", options.calibration.activation_bits,
                  "Bits of activations to quantize to")
      ->check(CLI::Range(2, 8))
      ->needs(calibrate)
      ->capture_default_str();
  command
      .add_flag("--per-channel", options.calibration.per_channel,
                "A weight scale for each output channel")
      ->needs(calibrate);
}

void declare_training(CLI::App& command, HardenOptions& options) {
  command.add_option("--data", options.data,
                     "Data set or path of own images [what CONFIG or the model names]");
  command.add_option("--out", options.request.training.out, "Run folder to fill")->required();
  command
      .add_option("--scales", options.scales,
                  "keep: scales stay as the file has them; fresh: they are learned from there on")
      ->check(CLI::IsMember({"keep", "fresh"}));
  command.add_option("--set", options.assignments, "Key to set over CONFIG, as train.epochs=3")
      ->type_name("KEY=VALUE")
      ->take_all();
  command.add_flag("--resume", options.request.training.resume,
                   "Go on from the folder's checkpoint");
  command
      .add_option("--device", options.request.training.device,
                  "cpu, cuda, cuda:1, or several GPUs that share each batch: cuda:0-3")
      ->check(device_name(/*several=*/true))
      ->capture_default_str();
  command.add_flag("--deterministic", options.request.training.deterministic,
                   "On cuda, only algorithms that give the same bits every time");
  command.add_option("--data-root", options.request.training.data_root,
                     "Folder of data sets (else $FLATENN_DATA, else ~/.cache/flatenn/data)");
}

}  // namespace

void add_harden_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<HardenOptions>();
  CLI::App* command = app.add_subcommand(
      "harden",
      "Fine-tune a network of any origin against faults, and compare it before and after");
  command->add_option("model", options->model, "ONNX or TensorFlow Lite file, or a run folder")
      ->required()
      ->type_name("MODEL");
  command
      ->add_option("config", options->config,
                   "Configuration of the training, as that of flatenn train but for the network")
      ->type_name("CONFIG.toml");
  declare_training(*command, *options);
  declare_reading(*command, *options);
  command
      ->add_option("--plan", options->request.plan,
                   "Campaign to compare by (its models and data are these) [bit flips at 0.001 "
                   "and 0.01]")
      ->type_name("PLAN.toml");
  command
      ->add_option("--trials", options->request.trials, "Fault maps a cell (0: the plan's, or 30)")
      ->check(at_least(0))
      ->capture_default_str();
  command
      ->add_option("--images", options->request.images,
                   "Only the first N test images under faults (0: all)")
      ->check(at_least(0))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &global] { run(*options, global); });
}

}  // namespace flatenn::cli
