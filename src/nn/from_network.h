#pragma once

#include <vector>

#include "flatenn/net/network.h"
#include "nn/graph.h"

namespace flatenn::nn {

/// The definition of a frozen network. Throws Error naming the layer that cannot be trained.
Graph graph_of(const net::Network& network);

/// Whether an activation's scale may be learned: not the image's, and not what a table reads or
/// writes, since its function is known at these scales alone.
std::vector<bool> learnable_scales(const Graph& graph, const std::vector<int64_t>& owners);

}  // namespace flatenn::nn
