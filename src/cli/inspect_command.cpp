#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "flatenn/net/onnx.h"

namespace flatenn::cli {
namespace {

using net::Activation;
using net::Layer;
using net::Network;

struct InspectOptions {
  std::string model;
  bool json = false;
};

const char* kind_name(const Layer& layer) {
  switch (layer.kind) {
    case net::LayerKind::kConv:
      return "conv";
    case net::LayerKind::kLinear:
      return "linear";
    case net::LayerKind::kMaxPool:
      return "max-pool";
    case net::LayerKind::kAvgPool:
      return "avg-pool";
  }
  return "?";
}

const Activation& activation(const Network& network, int64_t index) {
  return network.activations[static_cast<size_t>(index)];
}

std::string shape_text(const net::Shape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

std::string code_text(const Activation& a) {
  if (a.is_float) return "float";
  return (a.is_signed ? "s" : "u") + std::to_string(a.bits);
}

nlohmann::json activation_json(const Activation& a) {
  nlohmann::json json{{"name", a.name},
                      {"shape", {a.shape.channels, a.shape.height, a.shape.width}}};
  if (a.is_float) {
    json["type"] = "float32";
  } else {
    json.update({{"type", "code"}, {"bits", a.bits}, {"signed", a.is_signed}, {"scale", a.scale}});
  }
  return json;
}

nlohmann::json layer_json(const Network& network, const Layer& layer) {
  nlohmann::json json{{"name", layer.name},
                      {"kind", kind_name(layer)},
                      {"reads", activation(network, layer.src).name},
                      {"adds", nullptr},
                      {"writes", activation_json(activation(network, layer.dst))},
                      {"stride", layer.stride},
                      {"pad", layer.pad},
                      {"relu", layer.relu},
                      {"macs", net::macs(network, layer)}};
  if (layer.skip >= 0) json["adds"] = activation(network, layer.skip).name;
  if (!layer.multiplies()) {
    json["kernel"] = {layer.kernel, layer.kernel};
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
  if (layer.kind == net::LayerKind::kLinear) return "";
  const int64_t height = layer.multiplies() ? layer.weights.kernel_height : layer.kernel;
  const int64_t width = layer.multiplies() ? layer.weights.kernel_width : layer.kernel;
  std::string text = std::to_string(height) + "x" + std::to_string(width);
  if (layer.stride != 1) text += "/" + std::to_string(layer.stride);
  if (layer.pad != 0) text += " p" + std::to_string(layer.pad);
  if (layer.groups != 1) text += " g" + std::to_string(layer.groups);
  return text;
}

void print_table(const Network& network) {
  std::printf("%s\n", network.name.c_str());
  for (const auto& [key, value] : network.metadata) {
    std::printf("  %-12s %s\n", key.c_str(), value.c_str());
  }
  const Activation& image = network.input();
  std::printf("image %s, %s, scale %.4g\n\n", shape_text(image.shape).c_str(),
              code_text(image).c_str(), static_cast<double>(image.scale));
  std::printf("%-20s %-9s %-12s %-13s %-7s %9s %4s %-18s %12s %11s\n", "layer", "kind", "window",
              "output", "codes", "weights", "bits", "weight scale", "MACs", "stored bits");
  for (const Layer& layer : network.layers) {
    const Activation& dst = activation(network, layer.dst);
    std::string kind = kind_name(layer);
    if (layer.skip >= 0) kind += "+";
    std::printf("%-20s %-9s %-12s %-13s %-7s", layer.name.c_str(), kind.c_str(),
                window_text(layer).c_str(), shape_text(dst.shape).c_str(), code_text(dst).c_str());
    if (layer.multiplies()) {
      const net::Weights& w = layer.weights;
      const std::string bits =
          std::to_string(w.bits) + (w.value_map == net::ValueMap::kOdd ? "o" : "");
      std::printf(" %9ld %4s %-18s %12ld %11ld", w.elements(), bits.c_str(), scale_text(w).c_str(),
                  net::macs(network, layer), w.elements() * w.bits);
    }
    std::printf("\n");
  }
  std::printf(
      "\n%ld MACs an image, %ld weight bits; bits marked o hold odd values 2k+1; + adds a "
      "residual\ncontent %s\n",
      total_macs(network), net::weight_bits(network), net::content_hash(network).c_str());
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
    const Network network = net::read_onnx(options->model);
    options->json ? print_json(network) : print_table(network);
  });
}

}  // namespace flatenn::cli
