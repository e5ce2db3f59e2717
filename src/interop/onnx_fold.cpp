#include <algorithm>
#include <cmath>
#include <numeric>

#include "flatenn/base/error.h"
#include "interop/onnx_constants.h"
#include "interop/onnx_graph.h"

/// What nodes make of constants alone.
namespace flatenn::interop {
namespace {

constexpr int64_t kMostFolded = int64_t{1} << 31;
constexpr int64_t kMostJoined = 1 << 20;

/// A transpose.
template <typename Values>
Values permuted(const Values& values, const std::vector<int64_t>& dims,
                const std::vector<int64_t>& order) {
  std::vector<int64_t> step(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) step[i - 1] = step[i] * dims[i];
  std::vector<int64_t> at(dims.size(), 0);
  Values result;
  result.reserve(values.size());
  for (size_t n = 0; n < values.size(); ++n) {
    int64_t from = 0;
    for (size_t i = 0; i < at.size(); ++i) from += at[i] * step[static_cast<size_t>(order[i])];
    result.push_back(values[static_cast<size_t>(from)]);
    for (size_t i = at.size(); i-- > 0;) {
      if (++at[i] < dims[static_cast<size_t>(order[i])]) break;
      at[i] = 0;
    }
  }
  return result;
}

/// The smallest and largest whole number of an ONNX type; throws Error for other types.
std::pair<int64_t, int64_t> type_range(const onnx::NodeProto& node, int64_t type) {
  switch (type) {
    case onnx::TensorProto::INT8:
      return {INT8_MIN, INT8_MAX};
    case onnx::TensorProto::UINT8:
      return {0, UINT8_MAX};
    case onnx::TensorProto::BOOL:
      return {0, 1};
    case onnx::TensorProto::INT32:
      return {INT32_MIN, INT32_MAX};
    case onnx::TensorProto::INT64:
      return {INT64_MIN, INT64_MAX};
    default:
      fail_at(node, detail::concat("a cast of constants to ONNX type ", type, " is not supported"));
  }
}

}  // namespace

Constant Constants::fold(const onnx::NodeProto& node) const {
  const std::string& op = node.op_type();
  const bool quantizer = !node.domain().empty() && node.domain() != "ai.onnx";
  if (op == "Quant" || op == "IntQuant") return quant(node);
  if (op == "BipolarQuant") return bipolar(node);
  if (op == "QuantizeLinear") return quantized(node);
  if (op == "DequantizeLinear") return dequantized(node);
  if (quantizer)
    fail_at(node, "cannot be computed from constants (operator is not supported there)");
  if (op == "Identity") {
    expect_io(node, 1);
    return *find(required_input(node, 0));
  }
  if (op == "Clip") return clipped(node);
  if (op == "Cast") return cast(node);
  if (op == "Shape") return shape_of(node);
  if (op == "Gather") return gathered(node);
  if (op == "Slice") return sliced(node);
  if (op == "Concat") return concatenated(node);
  if (op == "Transpose") return transposed(node);
  if (op == "Reshape" || op == "Unsqueeze" || op == "Squeeze" || op == "Flatten") {
    return reshaped(node);
  }
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return arithmetic(node);
  fail_at(node, "cannot be computed from constants (operator is not supported there)");
}

Constant Constants::arithmetic(const onnx::NodeProto& node) const {
  expect_io(node, 2);
  Attributes(node).finish();
  const Constant a = read(node, required_input(node, 0));
  const Constant b = read(node, required_input(node, 1));
  const auto reals = [&](const Constant& c, const std::string& name) {
    if (c.is_float || c.dequantized()) return floats(node, name);
    return std::vector<float>(c.integers.begin(), c.integers.end());
  };
  const std::vector<float> x = reals(a, node.input(0));
  const std::vector<float> y = reals(b, node.input(1));
  if ((a.is_float || a.dequantized()) != (b.is_float || b.dequantized())) {
    fail_at(node, "combines integers with floats");
  }
  if (x.empty() || y.empty()) fail_at(node, "combines a constant without elements");
  // One number, or shapes that differ by extents of 1 in front alone.
  const auto extents = [](const Constant& c) {
    const auto first = std::find_if(c.dims.begin(), c.dims.end(), [](int64_t d) { return d != 1; });
    return std::vector<int64_t>(first, c.dims.end());
  };
  const bool scalar = (x.size() == 1 && a.dims.size() <= b.dims.size()) ||
                      (y.size() == 1 && b.dims.size() <= a.dims.size());
  if (!scalar && extents(a) != extents(b)) {
    fail_at(node, "constants of these shapes cannot be combined");
  }
  const bool whole = !a.is_float && !b.is_float && !a.dequantized() && !b.dequantized();
  if (whole && (a.type != b.type ||
                (a.type != onnx::TensorProto::INT64 && a.type != onnx::TensorProto::INT32))) {
    fail_at(node, "combines integers that are not INT32 or INT64");
  }
  Constant c{.dims = a.dims.size() >= b.dims.size() && x.size() >= y.size() ? a.dims : b.dims,
             .is_float = !whole,
             .type = whole ? a.type : int{onnx::TensorProto::FLOAT}};
  for (size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    const float u = x[x.size() == 1 ? 0 : i];
    const float v = y[y.size() == 1 ? 0 : i];
    const std::string& op = node.op_type();
    const float result = op == "Add" ? u + v : op == "Sub" ? u - v : op == "Mul" ? u * v : u / v;
    if (whole) {
      if (!std::isfinite(result) || std::abs(result) > 16777216.0F)
        fail_at(node, "leaves its range");
      c.integers.push_back(static_cast<int64_t>(result));
    } else {
      c.floats.push_back(result);
    }
  }
  return c;
}

Constant Constants::gathered(const onnx::NodeProto& node) const {
  expect_io(node, 2);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 0);
  attributes.finish();
  Constant c = read(node, required_input(node, 0));
  const Constant index = read(node, required_input(node, 1));
  if (c.dims.size() != 1 || (axis != 0 && axis != -1) || c.is_float || c.dequantized() ||
      index.is_float || index.dequantized()) {
    fail_at(node, "only elements of a list of integers may be chosen here");
  }
  Constant result{.dims = index.dims, .type = c.type};
  for (int64_t i : index.integers) {
    if (i < 0) i += std::ssize(c.integers);
    if (i < 0 || i >= std::ssize(c.integers)) fail_at(node, "chooses an element that is not there");
    result.integers.push_back(c.integers[static_cast<size_t>(i)]);
  }
  return result;
}

/// Of a list.
Constant Constants::sliced(const onnx::NodeProto& node) const {
  expect_io(node, 5);
  Attributes attributes(node);
  std::vector<int64_t> starts = attributes.get_ints("starts", {});
  std::vector<int64_t> ends = attributes.get_ints("ends", {});
  std::vector<int64_t> axes = attributes.get_ints("axes", {0});
  attributes.finish();
  std::vector<int64_t> steps{1};
  if (node.input_size() > 1) {
    starts = index_list(node, required_input(node, 1));
    ends = index_list(node, required_input(node, 2));
    if (!input_or_none(node, 3).empty()) axes = index_list(node, node.input(3));
    if (!input_or_none(node, 4).empty()) steps = index_list(node, node.input(4));
  }
  Constant c = read(node, required_input(node, 0));
  const bool one = starts.size() == 1 && ends.size() == 1 && axes.size() == 1 && steps.size() == 1;
  if (!one || c.dims.size() != 1 || c.is_float || c.dequantized() || steps.front() != 1 ||
      (axes.front() != 0 && axes.front() != -1)) {
    fail_at(node, "only a part of a list of integers may be cut out here");
  }
  const int64_t size = std::ssize(c.integers);
  const auto bound = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t from = bound(starts.front());
  const int64_t to = std::max(from, bound(std::max(ends.front(), -size)));
  c.integers = {c.integers.begin() + from, c.integers.begin() + to};
  c.dims = {std::ssize(c.integers)};
  return c;
}

Constant Constants::concatenated(const onnx::NodeProto& node) const {
  Attributes attributes(node);
  if (!attributes.has("axis")) fail_at(node, "attribute axis is missing");
  const int64_t axis = attributes.get_int("axis", 0);
  attributes.finish();
  if (axis != 0 && axis != -1) fail_at(node, "only lists may be joined here");
  Constant result{.dims = {0}};
  for (int i = 0; i < node.input_size(); ++i) {
    const Constant c = read(node, required_input(node, i));
    if (c.dims.size() != 1 || c.dequantized() || (i > 0 && c.type != result.type)) {
      fail_at(node, "only lists of one type may be joined here");
    }
    result.type = c.type;
    result.is_float = c.is_float;
    result.dims[0] += c.dims[0];
    if (result.dims[0] > kMostJoined) fail_at(node, "joins more than a million constants");
    result.integers.insert(result.integers.end(), c.integers.begin(), c.integers.end());
    result.floats.insert(result.floats.end(), c.floats.begin(), c.floats.end());
  }
  return result;
}

/// The shape that Reshape or Flatten asks for.
std::vector<int64_t> Constants::requested(const onnx::NodeProto& node, const Constant& c) const {
  Attributes attributes(node);
  if (node.op_type() == "Flatten") {
    expect_io(node, 1);
    const int64_t axis = normal_axis(node, attributes.get_int("axis", 1), c.dims.size() + 1);
    attributes.finish();
    std::vector<int64_t> dims{1, 1};
    for (size_t i = 0; i < c.dims.size(); ++i)
      dims[static_cast<int64_t>(i) < axis ? 0 : 1] *= c.dims[i];
    return dims;
  }
  expect_io(node, 2);
  const bool zeros = attributes.get_flag("allowzero", false);
  attributes.finish();
  std::vector<int64_t> dims = index_list(node, required_input(node, 1));
  int64_t known = 1;
  int64_t open = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i < c.dims.size() && dims[i] == 0 && !zeros) dims[i] = c.dims[i];
    if (dims[i] == -1 && open < 0) {
      open = static_cast<int64_t>(i);
    } else if (dims[i] < 0 || dims[i] > kMostFolded / std::max<int64_t>(known, 1)) {
      fail_at(node, detail::concat("its shape holds ", dims[i]));
    } else {
      known *= dims[i];
    }
  }
  if (open >= 0 && known > 0) dims[static_cast<size_t>(open)] = c.elements() / known;
  return dims;
}

std::vector<int64_t> Constants::squeezed(const onnx::NodeProto& node, const Constant& c) const {
  expect_io(node, 2);
  Attributes attributes(node);
  std::vector<int64_t> axes = attributes.get_ints("axes", {});
  attributes.finish();
  if (!input_or_none(node, 1).empty()) axes = index_list(node, node.input(1));
  const bool add = node.op_type() == "Unsqueeze";
  axes = normal_axes(node, axes, c.dims.size() + (add ? axes.size() : 0));
  std::vector<int64_t> dims = c.dims;
  if (add) {
    for (const int64_t axis : axes) dims.insert(dims.begin() + axis, 1);
  } else if (axes.empty()) {
    std::erase(dims, 1);
  } else {
    for (size_t i = axes.size(); i-- > 0;) {
      if (dims.empty() || dims[static_cast<size_t>(axes[i])] != 1) {
        fail_at(node, "drops an extent other than 1");
      }
      dims.erase(dims.begin() + axes[i]);
    }
  }
  return dims;
}

Constant Constants::reshaped(const onnx::NodeProto& node) const {
  Constant c = codes(node, required_input(node, 0));
  if (c.scales.size() > 1) fail_at(node, "reshapes a tensor with several scales");
  const bool squeezes = node.op_type() == "Squeeze" || node.op_type() == "Unsqueeze";
  const int64_t count = c.elements();
  c.dims = squeezes ? squeezed(node, c) : requested(node, c);
  if (c.elements() != count) fail_at(node, "the new shape holds another number of elements");
  return c;
}

Constant Constants::transposed(const onnx::NodeProto& node) const {
  expect_io(node, 1);
  Constant c = codes(node, required_input(node, 0));
  std::vector<int64_t> reversed(c.dims.size());
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  Attributes attributes(node);
  const std::vector<int64_t> order = attributes.get_ints("perm", reversed);
  attributes.finish();
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(sorted.begin(), sorted.end());
  if (sorted != reversed) fail_at(node, "perm is not an order of its dimensions");
  if (!c.bytes.empty()) {
    const Constant before = c;
    c.fill(static_cast<size_t>(c.elements()), [&](size_t i) { return before.word(i); });
    c.owner = std::make_shared<const std::string>(permuted(*c.owner, c.dims, order));
    c.bytes = *c.owner;
  }
  c.integers = permuted(c.integers, c.dims, order);
  c.floats = permuted(c.floats, c.dims, order);
  const std::vector<int64_t> before = c.dims;
  for (size_t i = 0; i < order.size(); ++i) c.dims[i] = before[static_cast<size_t>(order[i])];
  if (c.scales.size() > 1) {
    c.axis = std::find(order.begin(), order.end(), c.axis) - order.begin();
  }
  return c;
}

Constant Constants::cast(const onnx::NodeProto& node) const {
  expect_io(node, 1);
  Attributes attributes(node);
  const int64_t to = attributes.get_int("to", 0);
  attributes.ignore("saturate");  // of float8 types
  attributes.finish();
  Constant c = read(node, required_input(node, 0));
  if (c.dequantized()) fail_at(node, "casts a dequantized tensor");
  const bool to_float = to == onnx::TensorProto::FLOAT;
  if (to_float && !c.is_float) {
    c.floats.assign(c.integers.begin(), c.integers.end());
    c.integers.clear();
  } else if (!to_float) {
    const auto [low, high] = type_range(node, to);
    for (const float value : c.floats) {
      if (!std::isfinite(value) || std::abs(value) > 1e18F)
        fail_at(node, "casts what is no integer");
      c.integers.push_back(static_cast<int64_t>(value));
    }
    c.floats.clear();
    for (const int64_t value : c.integers) {
      if (value < low || value > high) {
        fail_at(node, detail::concat("casts ", value, ", which the type does not hold"));
      }
    }
  }
  c.is_float = to_float;
  c.type = static_cast<int>(to);
  return c;
}

Constant Constants::shape_of(const onnx::NodeProto& node) const {
  expect_io(node, 1);
  Attributes(node).finish();
  const Constant* input = find(required_input(node, 0));
  Constant c{.type = onnx::TensorProto::INT64};
  c.integers = input != nullptr ? input->dims : extents_(node.input(0));
  if (c.integers.empty()) fail_at(node, "the shape of " + node.input(0) + " is not known");
  c.dims = {std::ssize(c.integers)};
  return c;
}

}  // namespace flatenn::interop
