#include "cli/calibrated_import.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/validators.h"
#include "flatenn/base/error.h"
#include "flatenn/data/image_set.h"
#include "flatenn/engine/engine.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/interop/float_graph.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::cli {
namespace {

/// Both networks on the same images.
struct Accuracies {
  engine::Evaluation real;
  engine::Evaluation quantized;
};

/// Says nothing where it is the data set's own normalization: then the network stays plain.
net::ImageTransform transform_of(const CalibratedImport& request, const data::ImageSet& images) {
  if (request.mean.empty()) return interop::image_transform(request.pixels);
  if (request.mean == images.mean && request.std == images.std) return {};
  net::ImageTransform transform{.raw_pixels = true};
  const auto size = static_cast<size_t>(images.channels);
  FLATENN_CHECK((request.mean.size() == 1 || request.mean.size() == size) &&
                    request.std.size() == request.mean.size(),
                "import: --mean and --std take one number, or one for each of ", size,
                " channels, got ", request.mean.size(), " and ", request.std.size());
  for (size_t c = 0; c < request.mean.size(); ++c) {
    FLATENN_CHECK(
        std::isfinite(request.mean[c]) && request.std[c] > 0 && std::isfinite(request.std[c]),
        "import: --mean must be finite and --std positive, got ", request.mean[c], " and ",
        request.std[c]);
    transform.factor.push_back(1 / (255 * request.std[c]));
    transform.shift.push_back(-request.mean[c] / request.std[c]);
  }
  return transform;
}

interop::FloatGraph read_graph(const CalibratedImport& request, const data::ImageSet& images,
                               std::vector<interop::ImportedNode>& notes) {
  interop::FloatGraph graph = interop::read_float_onnx(request.model, &notes);
  const net::ImageTransform transform = transform_of(request, images);
  FLATENN_CHECK(!graph.image.raw_pixels || transform == net::ImageTransform{}, request.model,
                ": reads the bytes of pixels; --pixels, --mean and --std do not apply");
  if (!graph.image.raw_pixels) graph.image = transform;
  return graph;
}

Accuracies measure(const CalibratedImport& request, const interop::FloatGraph& graph,
                   std::shared_ptr<const net::Network> network, const data::ImageSet& images) {
  Accuracies result;
  const int64_t classes = network->classes();
  const std::vector<float> logits =
      calibration::float_logits(graph, images, request.options.threads);
  result.real = engine::evaluate(logits, classes, images.labels);
  const auto codes = engine::quantize_images(images, *network);
  const auto engine = engine::make_engine(network, codes, {.threads = request.options.threads});
  result.quantized =
      engine::evaluate(engine::golden_logits(*engine, *network, *codes), classes, images.labels);
  return result;
}

std::string settings_text(const CalibratedImport& request, int64_t images) {
  const calibration::CalibrationOptions& options = request.options;
  std::string text = request.method;
  if (options.method == calibration::RangeMethod::kPercentile) {
    text += detail::concat(" ", options.percentile);
  }
  text += detail::concat(", ", images, " images, weights ", options.weight_bits,
                         " bits, activations ", options.activation_bits, " bits");
  if (options.per_channel) text += ", per channel";
  if (options.equalize) text += ", equalized";
  if (options.bias_correction) text += ", biases corrected";
  return text;
}

nlohmann::json evaluation_json(const engine::Evaluation& result) {
  return {{"images", result.images},
          {"correct", result.correct},
          {"accuracy", result.accuracy()},
          {"loss", result.loss}};
}

void print_json(const CalibratedImport& request, const calibration::Calibrated& made,
                const Accuracies& accuracies, const std::vector<interop::ImportedNode>& notes) {
  nlohmann::json layers = nlohmann::json::array();
  for (const calibration::CalibratedLayer& layer : made.layers) {
    nlohmann::json row{{"name", layer.name}, {"kind", layer.kind}};
    if (layer.weight_bits > 0) row["weight_bits"] = layer.weight_bits;
    if (layer.output_bits > 0) {
      row["output_bits"] = layer.output_bits;
      row["low"] = layer.low;
      row["high"] = layer.high;
    }
    layers.push_back(row);
  }
  nlohmann::json nodes = nlohmann::json::array();
  for (const interop::ImportedNode& note : notes) {
    nodes.push_back({{"node", note.name}, {"op", note.op}, {"became", note.became}});
  }
  const nlohmann::json json{{"model", request.model},
                            {"output", request.output},
                            {"name", made.network.name},
                            {"content_hash", net::content_hash(made.network)},
                            {"weight_bits", net::weight_bits(made.network)},
                            {"plain", made.network.is_plain()},
                            {"calibration", made.network.metadata.at("calibration")},
                            {"equalized_pairs", made.equalized_pairs},
                            {"correction_images", made.correction_images},
                            {"layers", layers},
                            {"nodes", nodes},
                            {"float", evaluation_json(accuracies.real)},
                            {"quantized", evaluation_json(accuracies.quantized)}};
  std::printf("%s\n", json.dump(2).c_str());
}

void print_layers(const calibration::Calibrated& made) {
  std::printf("%-28s %-9s %7s %6s  %s\n", "layer", "kind", "weights", "output", "range");
  for (const calibration::CalibratedLayer& layer : made.layers) {
    const std::string bits = layer.weight_bits > 0 ? std::to_string(layer.weight_bits) : "-";
    std::printf("%-28s %-9s %7s ", layer.name.c_str(), layer.kind.c_str(), bits.c_str());
    if (layer.output_bits == 0) {
      std::printf("%6s  logits\n", "float");
    } else {
      std::printf("%6d  %.4g..%.4g\n", layer.output_bits, static_cast<double>(layer.low),
                  static_cast<double>(layer.high));
    }
  }
}

void print_table(const CalibratedImport& request, const calibration::Calibrated& made,
                 const Accuracies& accuracies) {
  print_layers(made);
  std::printf("\ncalibration  %s of %s\n", made.network.metadata.at("calibration").c_str(),
              request.dataset.c_str());
  if (request.options.equalize) std::printf("equalized    %ld pairs\n", made.equalized_pairs);
  if (request.options.bias_correction) {
    std::printf("corrected    biases, on %ld images\n", made.correction_images);
  }
  const auto print = [](const char* name, const engine::Evaluation& e) {
    std::printf("%-12s %.2f %% of %ld test images (loss %.4f)\n", name, 100 * e.accuracy(),
                e.images, e.loss);
  };
  print("float", accuracies.real);
  print("quantized", accuracies.quantized);
  std::printf("\n%s: %zu layers, %ld weight bits\n", request.output.c_str(), made.layers.size(),
              net::weight_bits(made.network));
}

}  // namespace

void CalibratedImport::declare(CLI::App& command, CLI::Option& pixels_option) {
  CLI::Option* const calibrate = command.add_option(
      "--calibrate", dataset, "Quantize a float network on training images of this data set");
  const auto add = [&](auto&&... arguments) {
    return command.add_option(std::forward<decltype(arguments)>(arguments)...)
        ->needs(calibrate)
        ->group("Calibration");
  };
  const auto flag = [&](const char* name, bool& value, const char* help) {
    command.add_flag(name, value, help)->needs(calibrate)->group("Calibration");
  };
  add("--calibration", method, "How ranges are chosen: min-max, percentile or mse")
      ->check(CLI::IsMember(calibration::range_method_names()))
      ->capture_default_str();
  add("--percentile", options.percentile, "Percent of values within a range, of percentile")
      ->capture_default_str();
  add("--activation-bits,--activations-bits", options.activation_bits,
      "Bits of activations; the image keeps 8")
      ->check(CLI::Range(2, 8))
      ->capture_default_str();
  flag("--per-channel", options.per_channel, "A weight scale for each output channel");
  flag("--bias-correction", options.bias_correction,
       "Let biases take up the mean error of each channel");
  flag("--equalize", options.equalize, "Equalize the weights of consecutive layers first");
  add("--calibration-images", calibration_images, "Only the first N training images (0: all)")
      ->check(at_least(0))
      ->capture_default_str();
  add("--images", images, "Only the first N test images for the accuracies (0: all)")
      ->check(at_least(0))
      ->capture_default_str();
  CLI::Option* const means =
      add("--mean", mean, "Mean of pixel / 255 that the network's training took off")
          ->delimiter(',')
          ->excludes(&pixels_option);
  add("--std", std, "Standard deviation that it divided by")->delimiter(',')->needs(means);
  means->needs(command.get_option("--std"));
  add("--data-root", data_root,
      "Folder of the data sets (default: $FLATENN_DATA, else ~/.cache/flatenn/data)");
  add("--threads", options.threads, "Threads (0: all cores)")
      ->check(at_least(0))
      ->capture_default_str();
}

void run_calibrated_import(CalibratedImport request) {
  request.options.method = calibration::parse_range_method(request.method);
  const auto load = [&](data::Split split, int64_t count) {
    const auto root = data::resolve_data_root(request.data_root);
    return data::take_first(data::load_image_set(request.dataset, split, root), count);
  };
  const data::ImageSet images = load(data::Split::kTrain, request.calibration_images);
  std::vector<interop::ImportedNode> notes;
  const interop::FloatGraph graph =
      calibration::fit_images(read_graph(request, images, notes), images);
  calibration::Calibrated made = calibration::calibrate(graph, images, request.options);
  made.network.metadata["dataset"] = request.dataset;
  made.network.metadata["calibration"] = settings_text(request, images.count);
  const Accuracies accuracies =
      measure(request, graph, std::make_shared<const net::Network>(made.network),
              load(data::Split::kTest, request.images));
  made.network.metadata["accuracy"] = detail::concat(accuracies.quantized.accuracy());
  made.network.metadata["float_accuracy"] = detail::concat(accuracies.real.accuracy());
  interop::write_onnx(made.network, request.output);
  if (request.json) {
    print_json(request, made, accuracies, notes);
  } else {
    print_table(request, made, accuracies);
  }
}

}  // namespace flatenn::cli
