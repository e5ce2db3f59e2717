#pragma once

#include <vector>

#include "flatenn/nn/layers.h"
#include "flatenn/nn/model.h"

namespace flatenn::nn {

/// The layers of a network and the shapes of its activations; [0] is the image.
struct Graph {
  std::vector<LayerSpec> layers;
  std::vector<net::Shape> shapes;
};

/// Throws Error for an unknown architecture or an image too small for it.
Graph build_graph(const ModelOptions& options);

}  // namespace flatenn::nn
