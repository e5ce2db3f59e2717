#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/nn/model.h"
#include "nn/graph.h"

namespace flatenn::nn {

/// Bits of everything a graph stores.
struct BitWidths {
  std::vector<int64_t> weights;      ///< One for each multiplying layer, in graph order.
  std::vector<int64_t> activations;  ///< One for each activation; of logits without meaning.
};

/// Applies the rules on QuantOptions. Throws Error naming a layer that does not exist.
BitWidths choose_bit_widths(const Graph& graph, const QuantOptions& options);

/// The multiplying layers' indices in a graph.
std::vector<size_t> multiplying_layers(const Graph& graph);

}  // namespace flatenn::nn
