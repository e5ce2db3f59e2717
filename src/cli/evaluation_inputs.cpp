#include "cli/evaluation_inputs.h"

#include "cli/interrupt.h"
#include "cli/validators.h"
#include "flatenn/base/error.h"
#include "flatenn/data/catalogue.h"
#include "flatenn/engine/devices.h"
#include "flatenn/interop/model.h"

namespace flatenn::cli {
namespace {

std::string dataset_name(const EvaluationOptions& options, const net::Network& network) {
  if (!options.dataset.empty()) return options.dataset;
  const auto entry = network.metadata.find("dataset");
  FLATENN_CHECK(entry != network.metadata.end(), options.model,
                ": does not name its data set; give one with --data");
  return entry->second;
}

/// Before images are read, where the data set's shape is known by then.
void check_shape(const net::Network& network, const std::string& name) {
  if (!data::is_known_data(name)) return;
  const data::DataSet& set = data::find_data_set(name);
  const net::Shape& wanted = network.input().shape;
  FLATENN_CHECK(wanted == (net::Shape{set.channels, set.height, set.width}), "images of ", name,
                " are ", set.channels, "x", set.height, "x", set.width, ", but network ",
                network.name, " takes ", wanted.channels, "x", wanted.height, "x", wanted.width);
}

}  // namespace

void EvaluationOptions::declare_inputs(CLI::App& command) {
  command.add_option("model", model, "Frozen network (.onnx), or a run folder")->required();
  command.add_option("--data", dataset,
                     "Data set, or path to your own: class folders, .npz, IDX, CIFAR or data.toml "
                     "(default: the one the model was trained on)");
  command.add_option(
      "--data-root", data_root,
      "Folder of the data sets (default: $FLATENN_DATA, else ~/.cache/flatenn/data)");
  command.add_option("--split", split, "Images to use")
      ->check(CLI::IsMember({"test", "train"}))
      ->capture_default_str();
  command.add_option("--images", images, "Only the first N images (0: all)")
      ->check(at_least(0))
      ->capture_default_str();
  command.add_option("--threads", threads, "Threads (0: all cores)")
      ->check(at_least(0))
      ->capture_default_str();
}

void EvaluationOptions::declare(CLI::App& command) {
  declare_inputs(command);
  command
      .add_option(
          "--engine", engine,
          "reference, cpu (the fastest of the others but cuda), lanes, onednn, general or cuda "
          "(cuda:1: the second GPU)")
      ->check(engine_name(false))
      ->capture_default_str();
}

data::ImageSet open_images(const EvaluationOptions& options, const net::Network& network) {
  const data::Split split = options.split == "train" ? data::Split::kTrain : data::Split::kTest;
  const std::string name = dataset_name(options, network);
  check_shape(network, name);
  const InterruptGuard interrupt;
  const data::LoadOptions load{.stop_requested = [&] { return interrupt.requested(); },
                               .constants = !network.image.raw_pixels};
  return data::take_first(
      data::load_image_set(name, split, data::resolve_data_root(options.data_root), load),
      options.images);
}

EvaluationInputs open_inputs(const EvaluationOptions& options, fault::Encoding encoding) {
  EvaluationInputs inputs;
  auto network = std::make_shared<net::Network>(interop::read_model(options.model));
  fault::saturate(*network, encoding);
  inputs.images = open_images(options, *network);
  inputs.codes = engine::quantize_images(inputs.images, *network);
  inputs.network = network;
  inputs.engine = engine::make_engine(inputs.network, inputs.codes,
                                      engine::engine_options(options.engine, options.threads));
  return inputs;
}

}  // namespace flatenn::cli
