#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::cli {
namespace {

using net::Activation;
using net::Layer;
using net::Network;

struct InspectOptions {
  std::string model;
  bool json = false;
};

const Activation& activation(const Network& network, int64_t index) {
  return network.activations[static_cast<size_t>(index)];
}

std::string shape_text(const net::Shape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

std::string code_text(const Activation& a) {
  if (a.is_float) return "float";
  std::string text = (a.is_signed ? "s" : "u") + std::to_string(a.bits);
  if (a.zero_point != 0) text += " z" + std::to_string(a.zero_point);
  return text;
}

nlohmann::json activation_json(const Activation& a) {
  nlohmann::json json{{"name", a.name},
                      {"shape", {a.shape.channels, a.shape.height, a.shape.width}}};
  if (a.is_float) {
    json["type"] = "float32";
  } else {
    json.update({{"type", "code"}, {"bits", a.bits}, {"signed", a.is_signed}, {"scale", a.scale}});
    if (a.zero_point != 0) json["zero_point"] = a.zero_point;
  }
  return json;
}

nlohmann::json layer_json(const Network& network, const Layer& layer) {
  nlohmann::json json{{"name", layer.name},
                      {"kind", net::kind_name(layer.kind)},
                      {"reads", activation(network, layer.src).name},
                      {"adds", nullptr},
                      {"writes", activation_json(activation(network, layer.dst))},
                      {"stride", layer.stride()},
                      {"pad", layer.pad()},
                      {"relu", layer.relu},
                      {"macs", net::macs(network, layer)}};
  if (layer.skip >= 0) json["adds"] = activation(network, layer.skip).name;
  for (const int64_t other : layer.others)
    json["also_reads"].push_back(activation(network, other).name);
  if (layer.twin >= 0) {
    json["weights_of"] = network.layers[static_cast<size_t>(layer.twin)].name;
  }
  if (!layer.window.is_uniform()) {
    const net::Window& w = layer.window;
    json["stride"] = {w.stride_height, w.stride_width};
    json["pad"] = {w.top, w.left, w.bottom, w.right};
    json["dilation"] = {w.dilation_height, w.dilation_width};
  }
  if (!layer.multiplies()) {
    if (layer.pools()) json["kernel"] = {layer.window.kernel_height, layer.window.kernel_width};
    return json;
  }
  const net::Weights& w = layer.weights;
  json["kernel"] = {w.kernel_height, w.kernel_width};
  json["groups"] = layer.groups;
  json["weights"] = {{"elements", w.elements()},
                     {"bits", w.bits},
                     {"stored_bits", w.elements() * w.bits},
                     {"values", w.value_map == net::ValueMap::kOdd ? "odd" : "code"},
                     {"scales", w.scales}};
  if (!w.zero_points.empty()) json["weights"]["zero_points"] = w.zero_points;
  return json;
}

int64_t total_macs(const Network& network) {
  int64_t total = 0;
  for (const Layer& layer : network.layers) total += net::macs(network, layer);
  return total;
}

void print_json(const Network& network) {
  nlohmann::json layers = nlohmann::json::array();
  for (const Layer& layer : network.layers) layers.push_back(layer_json(network, layer));
  const nlohmann::json json{{"name", network.name},
                            {"content_hash", net::content_hash(network)},
                            {"metadata", network.metadata},
                            {"input", activation_json(network.input())},
                            {"layers", layers},
                            {"macs", total_macs(network)},
                            {"weight_bits", net::weight_bits(network)}};
  std::printf("%s\n", json.dump(2).c_str());
}

std::string scale_text(const net::Weights& w) {
  const auto [low, high] = std::minmax_element(w.scales.begin(), w.scales.end());
  char text[64];
  if (*low == *high) {
    std::snprintf(text, sizeof text, "%.4g", static_cast<double>(*low));
  } else {
    std::snprintf(text, sizeof text, "%.4g..%.4g", static_cast<double>(*low),
                  static_cast<double>(*high));
  }
  return text;
}

std::string window_text(const Layer& layer) {
  if (layer.kind != net::LayerKind::kConv && !layer.pools()) return "";
  const net::Window& w = layer.window;
  const auto pair = [](int64_t a, int64_t b) {
    return a == b ? std::to_string(a) : std::to_string(a) + "x" + std::to_string(b);
  };
  const int64_t height = layer.multiplies() ? layer.weights.kernel_height : w.kernel_height;
  const int64_t width = layer.multiplies() ? layer.weights.kernel_width : w.kernel_width;
  std::string text = std::to_string(height) + "x" + std::to_string(width);
  if (w.stride_height != 1 || w.stride_width != 1) {
    text += "/" + pair(w.stride_height, w.stride_width);
  }
  if (w.dilation_height != 1 || w.dilation_width != 1) {
    text += " d" + pair(w.dilation_height, w.dilation_width);
  }
  if (w.top == w.bottom && w.left == w.right) {
    if (w.top != 0 || w.left != 0) text += " p" + pair(w.top, w.left);
  } else {
    text += " p" + std::to_string(w.top) + "," + std::to_string(w.left) + "," +
            std::to_string(w.bottom) + "," + std::to_string(w.right);
  }
  if (layer.groups != 1) text += " g" + std::to_string(layer.groups);
  return text;
}

/// A layer's cells; those that hold weights have five more than the others.
std::vector<std::string> row_of(const Network& network, const Layer& layer) {
  const Activation& dst = activation(network, layer.dst);
  std::vector<std::string> row = {
      layer.name, net::kind_name(layer.kind) + std::string(layer.skip >= 0 ? "+" : ""),
      window_text(layer), shape_text(dst.shape), code_text(dst)};
  if (layer.multiplies()) {
    const net::Weights& w = layer.weights;
    row.insert(row.end(), {std::to_string(w.elements()),
                           std::to_string(w.bits) + (w.value_map == net::ValueMap::kOdd ? "o" : ""),
                           scale_text(w), std::to_string(net::macs(network, layer)),
                           std::to_string(w.elements() * w.bits)});
  }
  row.resize(10);
  return row;
}

void print_table(const Network& network) {
  print_wrapped(printable(network.name));
  for (const auto& [key, value] : network.metadata) {
    std::string line = "  " + printable(key);
    line.resize(std::max<size_t>(line.size(), 14), ' ');
    print_wrapped(line + " " + printable(value), 4);
  }
  const Activation& image = network.input();
  char scale[32];
  std::snprintf(scale, sizeof scale, "%.4g", static_cast<double>(image.scale));
  print_wrapped(detail::concat("image ", shape_text(image.shape), ", ", code_text(image),
                               ", scale ", scale, "\n"));
  const std::vector<TextColumn> columns = {{"layer"},
                                           {"kind", false, 3},
                                           {"window", false, 6},
                                           {"output", false, 5},
                                           {"codes", false, 4},
                                           {"weights", true},
                                           {"bits", true, 1},
                                           {"weight scale", false, 8},
                                           {"MACs", true, 7},
                                           {"stored bits", true, 2}};
  std::vector<std::vector<std::string>> rows;
  for (const Layer& layer : network.layers) rows.push_back(row_of(network, layer));
  print_text_table(columns, rows);
  print_wrapped(
      detail::concat("\n", total_macs(network), " MACs an image, ", net::weight_bits(network),
                     " weight bits; bits marked o hold odd values 2k+1; + adds a residual"),
      0);
  std::printf("content %s\n", net::content_hash(network).c_str());
}

}  // namespace

void add_inspect_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Show a model's layers, shapes, bits, scales, MACs, weight memory and metadata");
  command->add_option("model", options->model, "Frozen network (.onnx), or a run folder")
      ->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options] {
    const Network network = interop::read_model(options->model);
    options->json ? print_json(network) : print_table(network);
  });
}

}  // namespace flatenn::cli
