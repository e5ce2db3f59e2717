#include "calibration/network_builder.h"

#include <algorithm>
#include <numeric>

#include "calibration/quantized_weights.h"

namespace flatenn::calibration {
namespace {

using net::Activation;
using net::Layer;
using net::LayerKind;
using net::Shape;

LayerKind kind_of(FloatKind kind) {
  switch (kind) {
    case FloatKind::kConv:
      return LayerKind::kConv;
    case FloatKind::kLinear:
      return LayerKind::kLinear;
    case FloatKind::kMaxPool:
      return LayerKind::kMaxPool;
    case FloatKind::kAvgPool:
      return LayerKind::kAvgPool;
    case FloatKind::kAdd:
      return LayerKind::kAdd;
    case FloatKind::kMul:
      return LayerKind::kMul;
    case FloatKind::kConcat:
      return LayerKind::kConcat;
    case FloatKind::kFunction:
      return LayerKind::kTable;
    case FloatKind::kMove:
      return LayerKind::kMove;
  }
  return LayerKind::kMove;
}

/// The code of dst for each code of src, or for each channel and code.
std::vector<int16_t> table_of(const FloatOp& op, const Codes& src, const Codes& dst) {
  std::vector<int16_t> table;
  const int64_t channels = op.by_channel() ? op.out.channels : 1;
  for (int64_t channel = 0; channel < channels; ++channel) {
    for (int code = src.min_code(); code <= src.max_code(); ++code) {
      table.push_back(static_cast<int16_t>(dst.code(apply(op, channel, src.real(code)))));
    }
  }
  return table;
}

/// Where codes reach beyond the operation's limits.
void limit(const FloatOp& op, const Codes& codes, Layer& layer) {
  layer.relu = op.low == 0;
  if (op.low > -INFINITY && op.low != 0) {
    if (const int low = codes.code(op.low); low > codes.min_code()) layer.low = low;
  }
  if (op.high < INFINITY) {
    if (const int high = codes.code(op.high); high < codes.max_code()) layer.high = high;
  }
}

/// Builds layer by layer.
class Builder {
 public:
  Builder(const QuantizedGraph& quantized, const std::vector<net::Weights>& weights)
      : graph_(quantized.graph),
        quantized_(quantized),
        weights_(weights),
        activations_(graph_.tensors.size(), -1) {}

  net::Network run() {
    network_.name = graph_.name;
    network_.image = graph_.image;
    activations_[0] = add_activation(graph_.tensors[0], graph_.input, quantized_.codes[0]);
    for (size_t i = 0; i < graph_.ops.size(); ++i) add_layer(i);
    return std::move(network_);
  }

 private:
  const Codes& codes(int64_t tensor) const { return quantized_.codes[static_cast<size_t>(tensor)]; }

  int64_t add_activation(const std::string& name, const Shape& shape, const Codes& codes) {
    network_.activations.push_back({.name = name,
                                    .shape = shape,
                                    .bits = codes.bits,
                                    .is_signed = codes.is_signed,
                                    .scale = codes.scale,
                                    .zero_point = codes.zero_point});
    return std::ssize(network_.activations) - 1;
  }

  /// The activation of a tensor in the shape in which an operation sees it.
  int64_t seen_as(int64_t tensor, const Shape& shape, const FloatOp& op) {
    const int64_t index = activations_[static_cast<size_t>(tensor)];
    const Activation from = network_.activations[static_cast<size_t>(index)];
    if (from.shape == shape || from.shape.elements() != shape.elements()) return index;
    Layer move{.name = op.name + "_input", .kind = LayerKind::kMove, .src = index};
    move.order.resize(static_cast<size_t>(shape.elements()));
    std::iota(move.order.begin(), move.order.end(), 0);
    move.dst = add_activation(from.name + "_for_" + op.name, shape, codes(tensor));
    network_.layers.push_back(std::move(move));
    return std::ssize(network_.activations) - 1;
  }

  /// A further input: as the output, or one value a channel, or channels of a concatenation.
  int64_t other_input(int64_t tensor, const FloatOp& op) {
    Shape shape =
        network_.activations[static_cast<size_t>(activations_[static_cast<size_t>(tensor)])].shape;
    if (op.kind == FloatKind::kConcat) {
      shape = {shape.elements() / (op.out.height * op.out.width), op.out.height, op.out.width};
    } else if (shape.elements() == op.out.elements()) {
      shape = op.out;
    }
    return seen_as(tensor, shape, op);
  }

  void add_layer(size_t index) {
    const FloatOp& op = graph_.ops[index];
    Layer layer{.name = op.name, .kind = kind_of(op.kind), .window = op.window};
    layer.groups = op.groups;
    layer.count_padding = op.count_padding;
    layer.src = op.kind == FloatKind::kLinear ? activations_[static_cast<size_t>(op.inputs[0])]
                                              : seen_as(op.inputs[0], op.in, op);
    for (size_t i = 1; i < op.inputs.size(); ++i) {
      layer.others.push_back(other_input(op.inputs[i], op));
    }
    if (op.skip >= 0) layer.skip = seen_as(op.skip, op.out, op);
    if (op.multiplies()) {
      layer.weights = weights_[index];
      layer.bias = quantized_biases(op.weights.bias, layer.weights, codes(op.inputs[0]).scale);
    }
    if (op.kind == FloatKind::kFunction) {
      layer.table = table_of(op, codes(op.inputs[0]), codes(op.output));
    }
    if (layer.rounds()) limit(op, codes(op.output), layer);
    layer.order = op.order;
    layer.dst =
        add_activation(graph_.tensors[static_cast<size_t>(op.output)], op.out, codes(op.output));
    if (!quantized_.rounds[static_cast<size_t>(op.output)]) {
      Activation& logits = network_.activations.back();
      logits = {.name = logits.name, .shape = logits.shape, .is_float = true};
    }
    activations_[static_cast<size_t>(op.output)] = layer.dst;
    network_.layers.push_back(std::move(layer));
  }

  const FloatGraph& graph_;
  const QuantizedGraph& quantized_;
  const std::vector<net::Weights>& weights_;
  std::vector<int64_t> activations_;  ///< Of each tensor.
  net::Network network_;
};

}  // namespace

bool has_float_logits(const FloatGraph& graph) {
  const FloatOp& last = graph.ops.back();
  const bool rounds = !last.chooses() && last.kind != FloatKind::kFunction;
  return rounds && (last.low == -INFINITY || last.low == 0) && last.high == INFINITY;
}

net::Network build_network(const QuantizedGraph& quantized,
                           const std::vector<net::Weights>& weights) {
  return Builder(quantized, weights).run();
}

}  // namespace flatenn::calibration
