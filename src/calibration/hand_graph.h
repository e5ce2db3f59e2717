#pragma once

#include <string>
#include <vector>

#include "calibration/float_names.h"

/// Graphs built by hand, for tests.
namespace flatenn::calibration {

/// Appends operations one after another; each reads what the one before it made.
class HandGraph {
 public:
  explicit HandGraph(const net::Shape& image) : shape_(image) {
    graph.name = "hand";
    graph.input = image;
    graph.tensors = {"image"};
    graph.output = 0;
  }

  FloatOp& add(FloatKind kind, const std::string& name, std::vector<int64_t> inputs = {}) {
    if (inputs.empty()) inputs = {graph.output};
    FloatOp op{.name = name, .type = "Hand", .kind = kind, .inputs = std::move(inputs)};
    op.in = op.out = shape_;
    op.output = graph.output = std::ssize(graph.tensors);
    graph.tensors.push_back(name + "_out");
    graph.ops.push_back(std::move(op));
    return graph.ops.back();
  }

  /// 1x1, weights [out, in] row-major, no biases.
  FloatOp& conv(const std::string& name, std::vector<float> values) {
    const auto outputs = std::ssize(values) / shape_.channels;
    FloatOp& op = add(FloatKind::kConv, name);
    op.weights = {.out_channels = outputs, .in_channels = shape_.channels};
    op.weights.values = std::move(values);
    op.weights.bias.assign(static_cast<size_t>(outputs), 0);
    op.out.channels = shape_.channels = outputs;
    return op;
  }

  FloatOp& limits(const std::string& name, float low, float high) {
    FloatOp& op = add(FloatKind::kFunction, name);
    op.low = low;
    op.high = high;
    return op;
  }

  FloatOp& affine(const std::string& name, std::vector<float> factor, std::vector<float> shift) {
    FloatOp& op = add(FloatKind::kFunction, name);
    op.factor = std::move(factor);
    op.shift = std::move(shift);
    return op;
  }

  FloatGraph graph;

 private:
  net::Shape shape_;
};

}  // namespace flatenn::calibration
