#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/nn/layers.h"

namespace flatenn::nn {

/// The definition of a network: its layers and the shapes of its activations; [0] is the image.
struct Graph {
  std::vector<LayerSpec> layers;
  std::vector<net::Shape> shapes;
};

/// All activations that a layer reads.
std::vector<int64_t> inputs_of(const LayerSpec& spec);

/// For each activation the first of those that share its codes' scale and zero point, because a
/// layer between them only chooses among codes (max pools, moves, concatenations, and means of
/// codes in fixed point). The owner's quantizer is theirs.
std::vector<int64_t> code_owners(const Graph& graph);

/// For each activation whether its codes are signed, as those of an architecture are: where a
/// multiplying layer without ReLU wrote one that shares its scale, or a mean of such.
std::vector<bool> signed_codes(const Graph& graph);

/// For each layer the max pool that is the only reader of its output, or -1; not one whose windows
/// may hold padding alone.
std::vector<int64_t> pools_after(const std::vector<LayerSpec>& layers);

/// Multiply-accumulates of one image; 0 of layers that do not multiply.
int64_t multiply_accumulates(const LayerSpec& spec, const net::Shape& out);

}  // namespace flatenn::nn
