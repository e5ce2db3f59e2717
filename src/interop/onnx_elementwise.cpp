#include <algorithm>
#include <cmath>
#include <numeric>

#include "flatenn/base/error.h"
#include "interop/onnx_functions.h"
#include "interop/onnx_importer.h"

/// Operators that work element by element.
namespace flatenn::interop {
namespace {

using Function = std::function<float(float)>;

float combine(const std::string& op, float a, float b) {
  return op == "Add" ? a + b : op == "Sub" ? a - b : op == "Mul" ? a * b : a / b;
}

bool is_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

void Importer::apply(const Node& node, const Tensor& from, const Function& function) {
  Tensor in = from;
  if (in.kind == Kind::kCodes || in.kind == Kind::kJoin) in = as_real(node, in, node.output(0));
  if (in.kind != Kind::kReal && in.kind != Kind::kFunction) {
    fail_at(node,
            "follows a layer whose result is not quantized (expected QuantizeLinear and "
            "DequantizeLinear between the two)");
  }
  in.values = values_of(in);
  for (float& value : in.values) value = function(value);
  in.kind = Kind::kFunction;
  note(node, "table of codes");
  set(node, in);
}

void Importer::unary(const Node& node) {
  expect_io(node, 1);
  apply(node, tensor(node, 0), unary_function(node));
}

void Importer::relu(const Node& node) {
  expect_io(node, 1);
  Attributes(node).finish();
  Tensor from = tensor(node, 0);
  if (from.kind != Kind::kPending) {
    return apply(node, from, [](float x) { return std::max(x, 0.0F); });
  }
  from.pending = copied(node, *from.pending);
  from.pending->layer.relu = true;
  note(node, "ReLU of " + from.pending->layer.name);
  set(node, from);
}

void Importer::clip_values(const Node& node, float low, float high) {
  Tensor from = tensor(node, 0);
  if (from.kind != Kind::kPending) {
    return apply(node, from, [=](float x) { return std::min(std::max(x, low), high); });
  }
  from.pending = copied(node, *from.pending);
  Pending& p = *from.pending;
  if (low == 0) {
    p.layer.relu = true;
  } else {
    p.low = std::max(p.low, low);
  }
  p.high = std::min(p.high, high);
  note(node, "limits of " + p.layer.name);
  set(node, from);
}

/// Add, Sub, Mul, Div.
void Importer::binary(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  if (constant(node, 0)) return with_constant(node, 1);
  if (constant(node, 1)) return with_constant(node, 0);
  const std::string& op = node.op_type();
  Tensor a = tensor(node, 0);
  Tensor b = tensor(node, 1);
  const auto of_codes = [](const Tensor& t) {
    return t.kind == Kind::kReal || t.kind == Kind::kFunction;
  };
  if (of_codes(a) && of_codes(b) && a.activation == b.activation && a.dims == b.dims &&
      a.channels_last == b.channels_last && !(a.kind == Kind::kReal && b.kind == Kind::kReal)) {
    const std::vector<float> x = values_of(a);
    const std::vector<float> y = values_of(b);
    const size_t size = std::max(x.size(), y.size());  // one may differ between channels
    a.values.resize(size);
    for (size_t i = 0; i < size; ++i) {
      a.values[i] = combine(op, x[i % x.size()], y[i % y.size()]);
    }
    a.kind = Kind::kFunction;
    note(node, "table of codes");
    return set(node, a);
  }
  if (op == "Div") fail_at(node, "of two activations is not supported");
  if (op == "Sub") return difference(node);
  if (op == "Add" && (a.kind == Kind::kPending) != (b.kind == Kind::kPending)) {
    const int which = a.kind == Kind::kPending ? 0 : 1;
    Tensor out = which == 0 ? a : b;
    const Pending& p = *out.pending;
    if (p.layer.multiplies() && !p.layer.relu && p.layer.skip < 0 && p.pools.empty() &&
        !std::isfinite(p.low) && !std::isfinite(p.high)) {
      const Tensor skip = real(node, 1 - which);
      if (!(activation(skip.activation).shape == p.shape) || skip.dims != out.dims ||
          skip.channels_last != out.channels_last) {
        fail_at(node, "adds tensors of unequal shapes");
      }
      out.pending = copied(node, p);
      out.pending->layer.skip = skip.activation;
      note(node, "skip into " + p.layer.name);
      return set(node, out);
    }
  }
  a = real(node, 0);
  b = real(node, 1);
  if (activation(a.activation).shape.elements() < activation(b.activation).shape.elements()) {
    std::swap(a, b);
  }
  combine_activations(node, a, b);
}

/// The sum or product of two activations; b may have one element a channel.
void Importer::combine_activations(const Node& node, const Tensor& a, const Tensor& b) {
  const bool product = node.op_type() == "Mul";
  const Shape x = activation(a.activation).shape;
  const Shape y = activation(b.activation).shape;
  const bool equal = x == y && a.dims == b.dims;
  const std::vector<int64_t> a_channel = b.channels_last ? std::vector<int64_t>{1, 1, x.channels}
                                                         : std::vector<int64_t>{x.channels, 1, 1};
  const bool by_channel = a.dims.size() == 3 && y == Shape{x.channels, 1, 1} && b.dims == a_channel;
  if (a.channels_last != b.channels_last || !(equal || by_channel)) {
    fail_at(node, "combines tensors of unequal shapes");
  }
  Layer layer{.name = layer_name(node),
              .kind = product ? LayerKind::kMul : LayerKind::kAdd,
              .src = a.activation,
              .others = {b.activation}};
  note(node, product ? "product" : "sum");
  add_pending(node, std::move(layer), x);
  tensors_[node.output(0)].dims = a.dims;
  tensors_[node.output(0)].channels_last = a.channels_last;
}

/// Codes of the negative: mirrored in their range, like the zero point.
Tensor Importer::negated(const Node& node, const Tensor& from) {
  const Activation a = activation(from.activation);
  Quantization q = quantization_of(a);
  q.zero_point = a.min_code() + a.max_code() - a.zero_point;
  Tensor out = from;
  out.kind = Kind::kFunction;
  out.values = values_of(from);
  for (float& value : out.values) value = -value;
  out = quantized_function(node, out, q, node.output(0) + ":negative");
  out.kind = Kind::kReal;
  return out;
}

void Importer::difference(const Node& node) {
  const Tensor a = real(node, 0);
  const Tensor b = negated(node, real(node, 1));
  const bool swap =
      activation(a.activation).shape.elements() < activation(b.activation).shape.elements();
  combine_activations(node, swap ? b : a, swap ? a : b);
}

/// Whether a constant of these extents holds one value a channel, broadcast over the rest.
bool Importer::lies_by_channel(const std::vector<int64_t>& constant, const Tensor& t) const {
  if (t.dims.empty()) return false;
  const auto rank = std::ssize(t.dims) + 1;
  const int64_t channels = t.channels_last ? t.dims.back() : t.dims.front();
  const int64_t axis = t.channels_last ? rank - 1 : 1;
  const int64_t at = std::ssize(constant) - rank + axis;  // right-aligned
  const int64_t own = t.kind == Kind::kPending ? t.pending->shape.channels
                      : t.activation >= 0
                          ? network_.activations[static_cast<size_t>(t.activation)].shape.channels
                          : channels;
  if (at < 0 || std::ssize(constant) > rank || own != channels) return false;
  for (int64_t i = 0; i < std::ssize(constant); ++i) {
    if (constant[static_cast<size_t>(i)] != (i == at ? channels : 1)) return false;
  }
  return true;
}

void Importer::with_constant(const Node& node, int variable) {
  const std::string& op = node.op_type();
  const std::string& name = node.input(1 - variable);
  const Tensor from = tensor(node, variable);
  if (from.kind == Kind::kIndex && op == "Add") {
    Tensor out = from;
    out.offsets = constants_.integers(node, name);
    if (out.offsets.size() != 1 && !lies_by_channel(constants_.find(name)->dims, from)) {
      fail_at(node, "its constant must hold one value, or one a channel");
    }
    note(node, "offsets of codes");
    return set(node, out);
  }
  std::vector<float> values;
  if (from.places) {  // integers that choose of a table
    const std::vector<int64_t> offsets = constants_.integers(node, name);
    values.assign(offsets.begin(), offsets.end());
  } else {
    values = constants_.floats(node, name);
  }
  if (values.empty() || !is_finite(values)) fail_at(node, "its constant is empty or not finite");
  const std::vector<int64_t> dims = constants_.find(name)->dims;
  const bool one = values.size() == 1 && dims.size() <= from.dims.size() + 1;
  if (!one && !lies_by_channel(dims, from)) {
    fail_at(node, "its constant must hold one value, or one a channel");
  }
  if (from.kind == Kind::kImage) return affine_image(node, from, values, variable == 0);
  if (from.kind == Kind::kPending && from.pending->layer.multiplies()) {
    const bool shifts = op == "Add" || (op == "Sub" && variable == 0);
    if (shifts) return add_bias(node, variable, values);
    if (op == "Mul" || (op == "Div" && variable == 0)) {
      return scale_pending(node, variable, values);
    }
  }
  if (!one) {
    return by_channel(node, from, node.input(variable), [&](float x, size_t channel) {
      return variable == 0 ? combine(op, x, values[channel]) : combine(op, values[channel], x);
    });
  }
  const float c = values.front();
  apply(node, from, [&](float x) { return variable == 0 ? combine(op, x, c) : combine(op, c, x); });
}

namespace {

/// Whether nothing has been done to what the layer computes.
bool is_bare(const Pending& p) {
  return p.layer.multiplies() && !p.layer.relu && p.layer.skip < 0 && p.pools.empty() &&
         *p.holder < 0 && !std::isfinite(p.low) && !std::isfinite(p.high);
}

}  // namespace

/// A constant behind a convolution or product.
void Importer::add_bias(const Node& node, int variable, const std::vector<float>& values) {
  Tensor out = tensor(node, variable);
  out.pending = copied(node, *out.pending);
  Pending& p = *out.pending;
  if (!is_bare(p)) fail_at(node, "may only add a constant to a layer that it follows directly");
  const auto src = static_cast<double>(activation(p.layer.src).scale);
  double most = 0;  // distance from whole units
  for (size_t c = 0; c < p.bias.size(); ++c) {
    const double unit = src * static_cast<double>(p.layer.weights.scale(static_cast<int64_t>(c)));
    const auto value = static_cast<double>(values[values.size() == 1 ? 0 : c]);
    const double units = (node.op_type() == "Sub" ? -value : value) / unit;
    p.bias[c] += units;
    most = std::max(most, std::abs(units - std::nearbyint(units)));
  }
  note(node, "bias of " + p.layer.name,
       most > 1e-3 ? "a float bias, rounded to 32-bit units of the sums" : "");
  set(node, out);
}

/// A factor behind a convolution or product.
void Importer::scale_pending(const Node& node, int variable, const std::vector<float>& values) {
  Tensor out = tensor(node, variable);
  out.pending = copied(node, *out.pending);
  Pending& p = *out.pending;
  if (!is_bare(p)) fail_at(node, "may only scale a layer that it follows directly");
  std::vector<float> scales;
  for (int64_t c = 0; c < p.layer.weights.out_channels; ++c) {
    const auto value = static_cast<double>(values[values.size() == 1 ? 0 : static_cast<size_t>(c)]);
    const double factor = node.op_type() == "Div" ? 1 / value : value;
    const double scale = static_cast<double>(p.layer.weights.scale(c)) * factor;
    if (!std::isfinite(scale) || static_cast<float>(scale) == 0) {
      fail_at(node, detail::concat("a factor of ", factor, " is not supported behind a layer"));
    }
    scales.push_back(static_cast<float>(scale));
  }
  if (values.size() == 1 && p.layer.weights.scales.size() == 1) scales.resize(1);
  p.layer.weights.scales = scales;
  note(node, "scales of " + p.layer.name, "multiplied into the scales in float32");
  set(node, out);
}

/// A function of codes that differs between channels.
void Importer::by_channel(const Node& node, Tensor from, const std::string& name,
                          const std::function<float(float, size_t)>& function) {
  if (from.kind == Kind::kCodes || from.kind == Kind::kJoin) from = as_real(node, from, name);
  if (from.channels_last && from.dims.size() != 3) fail_at(node, "differs between channels");
  if (from.kind != Kind::kReal && from.kind != Kind::kFunction) {
    fail_at(node,
            "follows a layer whose result is not quantized (expected QuantizeLinear and "
            "DequantizeLinear between the two)");
  }
  const Activation& a = activation(from.activation);
  const auto channels = static_cast<size_t>(a.shape.channels);
  const auto levels = static_cast<size_t>(a.max_code() - a.min_code() + 1);
  const std::vector<float> values = values_of(from);
  from.values.clear();
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < levels; ++i) {
      from.values.push_back(function(values[values.size() > levels ? c * levels + i : i], c));
    }
  }
  from.kind = Kind::kFunction;
  note(node, "table of codes a channel");
  set(node, from);
}

/// Max and Min with a number.
void Importer::limit(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  const int variable = constant(node, 0) ? 1 : 0;
  if (!constant(node, 1 - variable)) fail_at(node, "of two activations is not supported");
  const float c = constants_.scalar(node, node.input(1 - variable));
  if (std::isnan(c)) fail_at(node, "its limit is not a number");
  const bool max = node.op_type() == "Max";
  Tensor from = tensor(node, variable);
  if (constants_.find(node.input(1 - variable))->dims.size() > from.dims.size() + 1) {
    fail_at(node, "its limit has more dimensions than what it limits");
  }
  if (from.kind != Kind::kPending) {
    return apply(node, from, [=](float x) { return max ? std::max(x, c) : std::min(x, c); });
  }
  from.pending = copied(node, *from.pending);
  Pending& p = *from.pending;
  if (max) {
    p.low = std::max(p.low, c);
    p.high = std::max(p.high, c);
  } else {
    p.high = std::min(p.high, c);
    p.low = std::min(p.low, c);
  }
  note(node, "limits of " + p.layer.name);
  set(node, from);
}

/// PRelu with constant slopes.
void Importer::prelu(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  const std::string slope = required_input(node, 1);
  const std::vector<float> slopes = constants_.floats(node, slope);
  const std::vector<int64_t> dims = constants_.find(slope)->dims;
  const Tensor from = tensor(node, 0);
  if (slopes.size() == 1 && dims.size() <= from.dims.size() + 1) {
    const float alpha = slopes.front();
    return apply(node, from, [=](float x) { return x < 0 ? alpha * x : x; });
  }
  if (!lies_by_channel(dims, from)) fail_at(node, "its slope must be one number, or one a channel");
  by_channel(node, from, node.input(0),
             [&](float x, size_t channel) { return x < 0 ? slopes[channel] * x : x; });
}

/// x * c, x + c, x - c, x / c of the pixels.
void Importer::affine_image(const Node& node, Tensor from, const std::vector<float>& values,
                            bool left) {
  const std::string& op = node.op_type();
  if (!from.is_float) fail_at(node, "computes with pixels that were not cast to float");
  if (!left && op == "Div") fail_at(node, "divides by the image");
  std::vector<float>& factor = from.image.factor;
  std::vector<float>& shift = from.image.shift;
  const size_t size = std::max({factor.size(), shift.size(), values.size()});
  const auto widen = [&](std::vector<float>& list, float fallback) {
    if (list.empty()) list.assign(1, fallback);
    if (list.size() < size) list.assign(size, list.front());
  };
  widen(factor, 1);
  widen(shift, 0);
  for (size_t i = 0; i < size; ++i) {
    const float v = values[values.size() == 1 ? 0 : i];
    if (op == "Mul" || op == "Div") {
      const float times = op == "Mul" ? v : 1 / v;
      factor[i] *= times;
      shift[i] *= times;
    } else if (op == "Add" || left) {
      shift[i] += op == "Add" ? v : -v;
    } else {
      factor[i] = -factor[i];
      shift[i] = v - shift[i];
    }
  }
  if (!is_finite(factor) || !is_finite(shift)) fail_at(node, "makes pixels that are not finite");
  const auto all = [](const std::vector<float>& list, float value) {
    return std::all_of(list.begin(), list.end(), [=](float v) { return v == value; });
  };
  if (all(factor, 1)) factor.clear();
  if (all(shift, 0)) shift.clear();
  note(node, "image step", "one multiplication and one addition in float for all such steps");
  set(node, from);
}

/// Whether `axis` runs over all classes.
bool Importer::runs_over_classes(const Tensor& from, int64_t axis) const {
  std::vector<int64_t> dims = from.dims;
  if (!from.without_batch) dims.insert(dims.begin(), 1);
  if (axis < 0) axis += std::ssize(dims);
  if (axis < 0 || axis >= std::ssize(dims)) return false;
  for (int64_t i = 0; i < std::ssize(dims); ++i) {
    if (i != axis && dims[static_cast<size_t>(i)] != 1) return false;
  }
  return from.without_batch || axis > 0;
}

/// What Softmax and the like do to the class of the highest logit: nothing, or an error.
void Importer::check_drop(const Node& node, const Tensor& from) {
  const std::string& op = node.op_type();
  Attributes attributes(node);
  int64_t axis = -1;
  if (op == "ArgMax") {
    expect_io(node, 1);
    axis = attributes.get_int("axis", 0);
    attributes.ignore("keepdims");  // of the answer's shape
    if (attributes.get_flag("select_last_index", false)) {
      fail_at(node, "select_last_index is not supported");
    }
  } else if (op == "TopK") {
    expect_io(node, 2, 2);
    axis = attributes.get_int("axis", -1);
    int64_t k = attributes.get_int("k", 1);
    if (node.input_size() == 2) {
      const std::vector<int64_t> count = constants_.index_list(node, required_input(node, 1));
      k = count.size() == 1 ? count.front() : 0;
    }
    const bool highest_first =
        attributes.get_flag("largest", true) && (attributes.get_flag("sorted", true) || k == 1);
    const auto classes =
        std::accumulate(from.dims.begin(), from.dims.end(), int64_t{1}, std::multiplies<>());
    if (!highest_first || k < 1 || k > classes) {
      fail_at(node, "expected the highest classes, sorted");
    }
  } else {
    expect_io(node, 1);
    axis = attributes.get_int("axis", opset_ >= 13 ? -1 : 1);
  }
  attributes.finish();
  if (!runs_over_classes(from, axis)) {
    fail_at(node, detail::concat("its axis ", axis, " does not run over the classes"));
  }
}

/// Softmax and the like at the end.
void Importer::drop(const Node& node) {
  Tensor from = tensor(node, 0);
  check_drop(node, from);
  if (from.kind == Kind::kPending) {
    append_pending(node, *from.pending, nullptr, node.input(0));
    tensors_[node.input(0)].kind = Kind::kDropped;
  } else if (from.kind != Kind::kDropped) {
    const bool orders = node.op_type() == "ArgMax" || node.op_type() == "TopK";
    if (!orders || from.kind != Kind::kCodes) from = real(node, 0);
    if (network_.layers.empty() || network_.layers.back().dst != from.activation) {
      fail_at(node, "does not follow the last layer");
    }
  }
  note(node, "dropped", "top-1 stays the same; logits are those in front of it");
  Tensor out{.kind = Kind::kDropped, .dims = from.dims};
  out.without_batch = from.without_batch;
  for (const std::string& output : node.output()) tensors_[output] = out;
}

}  // namespace flatenn::interop
