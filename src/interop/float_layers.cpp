#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/float_reader.h"
#include "interop/onnx_functions.h"
#include "interop/onnx_window.h"

/// Operators that compute.
namespace flatenn::interop {

/// Of a tensor [N, C, H, W].
Shape FloatReader::plane(const Node& node, const Value& from) {
  if (from.dims.size() != 3) {
    fail_at(node,
            detail::concat("reads ", from.dims.size() + 1, " dimensions, expected [N, C, H, W]"));
  }
  return shape_of(from.dims);
}

void FloatReader::conv(const Node& node) {
  expect_io(node, 3);
  Value from = value(node, 0);
  Shape in = plane(node, from);
  if (!constant(node, 1)) fail_at(node, "weights " + node.input(1) + " must be constant");
  const std::vector<int64_t> dims = constants_.find(node.input(1))->dims;
  if (dims.size() != 4 || std::any_of(dims.begin(), dims.end(), [](int64_t d) { return d < 1; })) {
    fail_at(node, "weights " + node.input(1) + " must have four dimensions");
  }
  FloatWeights w{.out_channels = dims[0],
                 .in_channels = dims[1],
                 .kernel_height = dims[2],
                 .kernel_width = dims[3],
                 .values = floats(node, node.input(1))};
  w.bias.assign(static_cast<size_t>(dims[0]), 0);
  if (!input_or_none(node, 2).empty()) w.bias = floats(node, node.input(2));
  Attributes attributes(node);
  Window window = read_window(node, attributes, {in.height, in.width}, {dims[2], dims[3]});
  const int64_t groups = attributes.get_int("group", 1);
  attributes.finish();
  if (groups < 1 || groups > in.channels || dims[1] * groups != in.channels ||
      dims[0] % groups != 0 || std::ssize(w.bias) != dims[0]) {
    fail_at(node, detail::concat(dims[0], " filters of ", dims[1], " channels in ", groups,
                                 " groups with ", w.bias.size(), " biases do not fit ", in.channels,
                                 " channels"));
  }
  const Shape out = window_outputs(node, in, dims[0], dims[2], dims[3], window);
  if (!from.pads.empty()) {
    window.top += from.pads[0];
    window.left += from.pads[1];
    window.bottom += from.pads[2];
    window.right += from.pads[3];
    from.dims[1] -= from.pads[0] + from.pads[2];
    from.dims[2] -= from.pads[1] + from.pads[3];
  }
  window.kernel_height = window.kernel_width = 1;  // convolutions keep it in the weights
  note(node, dims[1] == 1 && groups > 1 ? "depthwise convolution" : "convolution");
  FloatOp& op = add(node, FloatKind::kConv, {from}, {out.channels, out.height, out.width});
  op.window = window;
  op.groups = groups;
  op.weights = std::move(w);
}

void FloatReader::linear(const Node& node, bool transposed, float alpha, std::vector<float> bias) {
  const Value from = value(node, 0);
  if (from.dims.size() != 1) {
    fail_at(node, detail::concat("reads ", from.dims.size() + 1,
                                 " dimensions, expected [N, features] (flatten them first)"));
  }
  if (!constant(node, 1)) fail_at(node, "weights " + node.input(1) + " must be constant");
  const std::vector<int64_t> dims = constants_.find(node.input(1))->dims;
  const size_t by_input = transposed ? 0 : 1;
  if (dims.size() != 2 || dims[1 - by_input] < 1 || dims[by_input] != from.dims[0]) {
    fail_at(node,
            detail::concat("weights ", node.input(1), " do not fit ", from.dims[0], " features"));
  }
  FloatWeights w{.out_channels = dims[1 - by_input], .in_channels = dims[by_input]};
  const std::vector<float> values = floats(node, node.input(1));
  const auto outs = static_cast<size_t>(w.out_channels);
  const auto ins = static_cast<size_t>(w.in_channels);
  for (size_t i = 0; i < values.size(); ++i) {
    w.values.push_back(alpha * values[transposed ? i % ins * outs + i / ins : i]);
  }
  if (bias.size() == 1) bias.resize(outs, bias.front());
  if (!bias.empty() && bias.size() != outs) {
    fail_at(node, detail::concat("has ", bias.size(), " biases for ", outs, " outputs"));
  }
  bias.resize(outs, 0);
  w.bias = std::move(bias);
  note(node, "linear");
  add(node, FloatKind::kLinear, {from}, {w.out_channels}).weights = std::move(w);
}

void FloatReader::gemm(const Node& node) {
  expect_io(node, 3);
  Attributes attributes(node);
  const bool by_output = attributes.get_int("transB", 0) != 0;
  const float alpha = attributes.get_float("alpha", 1);
  const float beta = attributes.get_float("beta", 1);
  if (attributes.get_int("transA", 0) != 0) fail_at(node, "transA is not supported");
  attributes.finish();
  if (!std::isfinite(alpha) || !std::isfinite(beta)) fail_at(node, "alpha or beta is not finite");
  std::vector<float> bias;
  if (!input_or_none(node, 2).empty()) bias = floats(node, node.input(2));
  for (float& value : bias) value *= beta;
  linear(node, !by_output, alpha, std::move(bias));
}

void FloatReader::matmul(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  linear(node, true, 1, {});
}

void FloatReader::batch_norm(const Node& node) {
  expect_io(node, 5);
  Attributes attributes(node);
  const auto epsilon = static_cast<double>(attributes.get_float("epsilon", 1e-5F));
  attributes.ignore("momentum");
  attributes.ignore("spatial");
  if (attributes.get_int("training_mode", 0) != 0) fail_at(node, "training_mode is not supported");
  attributes.finish();
  const Value from = value(node, 0);
  const auto channels = static_cast<size_t>(from.dims.empty() ? 0 : from.dims[0]);
  std::vector<std::vector<float>> p;
  for (int i = 1; i <= 4; ++i) {
    p.push_back(floats(node, required_input(node, i)));
    if (p.back().size() != channels || from.dims.size() > 3) {
      fail_at(node, detail::concat("expected ", channels, " values, got ", p.back().size()));
    }
  }
  FloatOp& op = add(node, FloatKind::kFunction, {from}, from.dims);
  for (size_t c = 0; c < channels; ++c) {
    const double variance = static_cast<double>(p[3][c]) + epsilon;
    if (!(variance > 0)) {
      fail_at(node, detail::concat("channel ", c, " has a variance of ", p[3][c]));
    }
    const double factor = static_cast<double>(p[0][c]) / std::sqrt(variance);
    op.factor.push_back(static_cast<float>(factor));
    op.shift.push_back(
        static_cast<float>(static_cast<double>(p[1][c]) - static_cast<double>(p[2][c]) * factor));
  }
  note(node, "factor and shift of each channel");
}

void FloatReader::pool(const Node& node) {
  const bool max = node.op_type() == "MaxPool";
  expect_io(node, 1);
  const Value from = value(node, 0);
  const Shape in = plane(node, from);
  Attributes attributes(node);
  Window window = read_window(node, attributes, {in.height, in.width}, {});
  const bool ceil = attributes.get_int("ceil_mode", 0) != 0;
  if (attributes.get_int("storage_order", 0) != 0) fail_at(node, "storage_order is not supported");
  bool count_padding = attributes.get_int("count_include_pad", 0) != 0;
  attributes.finish();
  if (ceil) stretch_for_ceil(node, in, count_padding, window);
  if (window.top + window.left + window.bottom + window.right == 0) count_padding = false;
  const Shape out =
      window_outputs(node, in, in.channels, window.kernel_height, window.kernel_width, window);
  note(node, max ? "max-pool" : "average pool");
  FloatOp& op = add(node, max ? FloatKind::kMaxPool : FloatKind::kAvgPool, {from},
                    {out.channels, out.height, out.width});
  op.window = window;
  op.count_padding = count_padding;
}

void FloatReader::global_pool(const Node& node) {
  expect_io(node, 1);
  Attributes(node).finish();
  const Value from = value(node, 0);
  const Shape in = plane(node, from);
  const bool max = node.op_type() == "GlobalMaxPool";
  note(node, max ? "max-pool over the plane" : "average pool over the plane");
  FloatOp& op =
      add(node, max ? FloatKind::kMaxPool : FloatKind::kAvgPool, {from}, {in.channels, 1, 1});
  op.window.kernel_height = in.height;
  op.window.kernel_width = in.width;
}

/// Over one or two dimensions of a plane.
void FloatReader::reduce_mean(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  std::vector<int64_t> axes = attributes.get_ints("axes", {});
  const bool keep = attributes.get_int("keepdims", 1) != 0;
  if (attributes.get_int("noop_with_empty_axes", 0) != 0) {
    fail_at(node, "noop_with_empty_axes is not supported");
  }
  attributes.finish();
  if (!input_or_none(node, 1).empty()) axes = constants_.integers(node, node.input(1));
  const Value from = value(node, 0);
  const auto rank = std::ssize(from.dims);
  if (axes.empty()) fail_at(node, "a mean over all axes is not supported");
  Window window;
  std::vector<int64_t> dims = from.dims;
  for (const int64_t axis : axes) {
    const int64_t at = axis < 0 ? axis + rank : axis - 1;
    if (at < 1 || at >= rank || rank > 3) {
      fail_at(node, detail::concat("a mean over axis ", axis, " is not supported"));
    }
    (at == 1 ? window.kernel_height : window.kernel_width) = from.dims[static_cast<size_t>(at)];
    dims[static_cast<size_t>(at)] = keep ? 1 : 0;
  }
  std::erase(dims, 0);
  note(node, "average pool over the plane");
  FloatOp& op = add(node, FloatKind::kAvgPool, {from}, dims);
  op.window = window;
  const Shape in = op.in;
  op.out = {in.channels, in.height / window.kernel_height, in.width / window.kernel_width};
}

void FloatReader::concat(const Node& node) {
  Attributes attributes(node);
  int64_t axis = attributes.get_int("axis", 1);
  attributes.finish();
  std::vector<Value> parts;
  std::vector<int64_t> dims;
  for (int i = 0; i < node.input_size(); ++i) {
    const Value& next = value(node, i);
    if (i == 0) {
      dims = next.dims;
      dims[0] = 0;
      if (axis < 0) axis += std::ssize(dims) + 1;
    }
    const bool fits = next.dims.size() == dims.size() && dims.size() <= 3 &&
                      std::equal(dims.begin() + 1, dims.end(), next.dims.begin() + 1);
    if (axis != 1 || !fits) fail_at(node, "only channels of equal planes may be joined");
    dims[0] += next.dims[0];
    parts.push_back(next);
  }
  note(node, "concatenation");
  add(node, FloatKind::kConcat, parts, dims);
}

void FloatReader::unary(const Node& node) {
  expect_io(node, 1);
  const Value from = value(node, 0);
  FloatOp& op = add(node, FloatKind::kFunction, {from}, from.dims);
  op.function = unary_function(node);
  op.homogeneous = node.op_type() == "LeakyRelu";
  note(node, "function of one number");
}

void FloatReader::limits(const Node& node, int variable, float low, float high) {
  if (std::isnan(low) || std::isnan(high) || low > high) fail_at(node, "its limits make no range");
  const Value from = value(node, variable);
  FloatOp& op = add(node, FloatKind::kFunction, {from}, from.dims);
  op.low = low;
  op.high = high;
  note(node, "limits");
}

void FloatReader::relu(const Node& node) {
  expect_io(node, 1);
  Attributes(node).finish();
  limits(node, 0, 0, INFINITY);
}

void FloatReader::clip(const Node& node) {
  expect_io(node, 3);
  Attributes attributes(node);
  float low = attributes.get_float("min", -INFINITY);
  float high = attributes.get_float("max", INFINITY);
  attributes.finish();
  if (!input_or_none(node, 1).empty()) low = constants_.scalar(node, node.input(1));
  if (!input_or_none(node, 2).empty()) high = constants_.scalar(node, node.input(2));
  limits(node, 0, low, high);
}

/// Max and Min with a number.
void FloatReader::limit(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  const int variable = constant(node, 0) ? 1 : 0;
  if (!constant(node, 1 - variable)) fail_at(node, "of two activations is not supported");
  const float c = constants_.scalar(node, node.input(1 - variable));
  const bool max = node.op_type() == "Max";
  limits(node, variable, max ? c : -INFINITY, max ? INFINITY : c);
}

/// Add, Sub, Mul, Div.
void FloatReader::binary(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  if (constant(node, 0)) return with_constant(node, 1);
  if (constant(node, 1)) return with_constant(node, 0);
  const bool sum = node.op_type() == "Add";
  if (!sum && node.op_type() != "Mul") fail_at(node, "of two activations is not supported");
  Value a = value(node, 0);
  Value b = value(node, 1);
  if (shape_of(a.dims).elements() < shape_of(b.dims).elements()) std::swap(a, b);
  const bool spread = a.dims.size() == 3 && b.dims == std::vector<int64_t>{a.dims[0], 1, 1};
  if (a.dims != b.dims && !spread) fail_at(node, "combines tensors of unequal shapes");
  note(node, sum ? "sum" : "product");
  add(node, sum ? FloatKind::kAdd : FloatKind::kMul, {a, b}, a.dims);
}

void FloatReader::with_constant(const Node& node, int variable) {
  const std::string& op_type = node.op_type();
  const std::string& name = node.input(1 - variable);
  const Value from = value(node, variable);
  std::vector<float> values = floats(node, name);
  if (values.size() != 1) {
    const std::vector<int64_t> dims = constants_.find(name)->dims;
    const size_t behind = from.dims.size() - 1;
    const bool by_channel = dims.size() > behind && dims[dims.size() - 1 - behind] == from.dims[0];
    if (!by_channel || std::ssize(values) != from.dims[0] || from.dims.size() > 3) {
      fail_at(node, "its constant must hold one value, or one a channel");
    }
  }
  std::vector<float> factor;
  if (op_type == "Div") {
    if (variable != 0) fail_at(node, "divides by an activation");
    for (float& v : values) v = 1 / v;
  }
  if (op_type == "Mul" || op_type == "Div") {
    std::swap(factor, values);
  } else if (op_type == "Sub" && variable == 0) {
    for (float& v : values) v = -v;
  } else if (op_type == "Sub") {
    factor = {-1};
  }
  if (std::any_of(factor.begin(), factor.end(), [](float v) { return !std::isfinite(v); })) {
    fail_at(node, "divides by 0");
  }
  FloatOp& op = add(node, FloatKind::kFunction, {from}, from.dims);
  op.factor = std::move(factor);
  op.shift = std::move(values);
  note(node, "factor or shift");
}

/// Softmax and the like at the end.
void FloatReader::drop(const Node& node) {
  Value from = value(node, 0);
  note(node, "dropped", "top-1 stays the same; logits are those in front of it");
  from.dropped = true;
  set(node, from);
}

}  // namespace flatenn::interop
