#include "nn/bit_widths.h"

#include <algorithm>
#include <map>
#include <string>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

/// Bits of the image and of the branches that are only added (the contract's).
constexpr int64_t kSignedBits = 8;

void check_names(const std::map<std::string, int64_t>& bits, const Graph& graph, const char* what) {
  for (const auto& [name, count] : bits) {
    const bool known = std::any_of(graph.layers.begin(), graph.layers.end(), [&](const auto& spec) {
      return spec.multiplies() && spec.name == name;
    });
    FLATENN_CHECK(known, what, ": no layer \"", name, "\" with weights in this network");
    FLATENN_CHECK(count >= 2 && count <= 8, what, " of layer ", name, ": must be in [2, 8], got ",
                  count);
  }
}

int64_t bits_of(const std::map<std::string, int64_t>& chosen, const std::string& name,
                int64_t fallback) {
  const auto found = chosen.find(name);
  return found == chosen.end() ? fallback : found->second;
}

/// The widest bits among those who read an activation; 0 where nobody says.
int64_t widest_reader(const Graph& graph, const std::map<int64_t, int64_t>& input_bits,
                      const QuantOptions& options, int64_t activation) {
  int64_t widest = 0;
  for (size_t i = 0; i < graph.layers.size(); ++i) {
    const LayerSpec& spec = graph.layers[i];
    const bool joins = std::count(spec.others.begin(), spec.others.end(), activation) > 0;
    if (spec.src != activation && !joins) continue;
    int64_t bits = options.activation_bits;  // an average pool's
    if (spec.multiplies()) bits = input_bits.at(static_cast<int64_t>(i));
    if (spec.kind == net::LayerKind::kMaxPool || spec.kind == net::LayerKind::kConcat)
      bits = widest_reader(graph, input_bits, options, spec.dst);
    widest = std::max(widest, bits);
  }
  return widest;
}

/// Activations that share a scale have the widest of their bits.
void share_widest(const Graph& graph, std::vector<int64_t>& bits) {
  const std::vector<int64_t> owners = code_owners(graph);
  std::vector<int64_t> widest(bits.size(), 0);
  for (size_t i = 0; i < bits.size(); ++i) {
    int64_t& most = widest[static_cast<size_t>(owners[i])];
    most = std::max(most, bits[i]);
  }
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = widest[static_cast<size_t>(owners[i])];
}

bool joins_activations(const Graph& graph) {
  return std::any_of(graph.layers.begin(), graph.layers.end(),
                     [](const LayerSpec& spec) { return spec.kind == net::LayerKind::kConcat; });
}

}  // namespace

std::vector<size_t> multiplying_layers(const Graph& graph) {
  std::vector<size_t> found;
  for (size_t i = 0; i < graph.layers.size(); ++i)
    if (graph.layers[i].multiplies()) found.push_back(i);
  return found;
}

BitWidths choose_bit_widths(const Graph& graph, const QuantOptions& options) {
  check_names(options.layer_weight_bits, graph, "weight bits");
  check_names(options.layer_activation_bits, graph, "activation bits");
  const std::vector<size_t> layers = multiplying_layers(graph);
  BitWidths widths;
  std::map<int64_t, int64_t> input_bits;
  for (const size_t i : layers) {
    const bool edge = options.first_last_bits > 0 && (i == layers.front() || i == layers.back());
    const std::string& name = graph.layers[i].name;
    widths.weights.push_back(bits_of(options.layer_weight_bits, name,
                                     edge ? options.first_last_bits : options.weight_bits));
    input_bits[static_cast<int64_t>(i)] =
        bits_of(options.layer_activation_bits, name,
                edge ? options.first_last_bits : options.activation_bits);
  }
  widths.activations.assign(graph.shapes.size(), kSignedBits);
  for (size_t i = 1; i < graph.shapes.size(); ++i) {
    const int64_t widest = widest_reader(graph, input_bits, options, static_cast<int64_t>(i));
    if (widest > 0) widths.activations[i] = widest;
  }
  if (joins_activations(graph)) share_widest(graph, widths.activations);
  return widths;
}

}  // namespace flatenn::nn
