#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/onnx_constants.h"
#include "interop/onnx_graph.h"

/// Constants that are quantized, clipped or dequantized in the file.
namespace flatenn::interop {
namespace {

/// Which of `count` scales along `axis` each element has, one element after another.
class Slices {
 public:
  Slices(const std::vector<int64_t>& dims, int64_t axis, size_t count) : count_(count) {
    for (size_t i = static_cast<size_t>(axis) + 1; i < dims.size(); ++i) {
      inner_ *= static_cast<size_t>(std::max<int64_t>(dims[i], 1));
    }
  }
  /// Of the first element, then of the second, and so on.
  size_t next() {
    const size_t slice = slice_;
    if (count_ > 1 && ++at_ == inner_) {
      at_ = 0;
      slice_ = slice_ + 1 == count_ ? 0 : slice_ + 1;
    }
    return slice;
  }

 private:
  size_t count_;
  size_t inner_ = 1;
  size_t at_ = 0;
  size_t slice_ = 0;
};

/// The axis along which the scale of a QONNX quantizer has several values.
int64_t scale_axis(const onnx::NodeProto& node, const std::vector<int64_t>& scale,
                   const std::vector<int64_t>& dims) {
  int64_t axis = -1;
  if (scale.size() > std::max<size_t>(dims.size(), 1)) {
    fail_at(node, "its scale has more dimensions than the tensor");
  }
  for (size_t i = 0; i < scale.size(); ++i) {
    if (scale[i] == 1) continue;
    const auto at = std::ssize(dims) - std::ssize(scale) + static_cast<int64_t>(i);
    if (axis >= 0 || at < 0 || dims[static_cast<size_t>(at)] != scale[i]) {
      fail_at(node, "its scales do not lie along one axis of the tensor");
    }
    axis = at;
  }
  return std::max<int64_t>(axis, 0);
}

void expect_finite(const onnx::NodeProto& node, const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) fail_at(node, detail::concat("quantizes ", value));
  }
}

}  // namespace

void Constants::check_scales(const onnx::NodeProto& node, const std::vector<float>& scales) const {
  if (scales.empty()) fail_at(node, "its scale is empty");
  for (const float scale : scales) {
    const bool fits =
        negative_scales_ ? std::isfinite(scale) && scale != 0 : std::isfinite(scale) && scale > 0;
    if (!fits) fail_at(node, detail::concat("its scale must be positive, got ", scale));
  }
}

Constant Constants::quantized(const onnx::NodeProto& node) const {
  expect_io(node, 3);
  Attributes attributes(node);
  const int64_t axis_attribute = attributes.get_int("axis", 1);
  attributes.ignore("saturate");  // of float8 types
  attributes.finish();
  const std::vector<float> values = floats(node, required_input(node, 0));
  const std::vector<int64_t>& dims = find(node.input(0))->dims;
  expect_finite(node, values);
  const std::vector<float> scales = float_list(node, required_input(node, 1));
  check_scales(node, scales);
  Constant zero;
  if (!input_or_none(node, 2).empty()) zero = read(node, node.input(2));
  const CodeType type = zero.type == 0 ? CodeType{} : code_type(node, zero.type);
  if (zero.type != 0 && (zero.integers.size() != scales.size() || zero.dims.size() > 1)) {
    fail_at(node,
            detail::concat(zero.integers.size(), " zero points for ", scales.size(), " scales"));
  }
  const int64_t low = type.is_signed ? -(int64_t{1} << (type.bits - 1)) : 0;
  const int64_t high = low + (int64_t{1} << type.bits) - 1;
  const int64_t axis = scales.size() == 1 ? 0 : normal_axis(node, axis_attribute, dims.size());
  if (scales.size() > 1 &&
      (dims.empty() || static_cast<int64_t>(scales.size()) != dims[static_cast<size_t>(axis)])) {
    fail_at(node, detail::concat(scales.size(), " scales do not fit axis ", axis));
  }
  Slices slices(dims, axis, scales.size());
  Constant result{.dims = dims, .type = zero.type == 0 ? int{onnx::TensorProto::UINT8} : zero.type};
  result.fill(values.size(), [&](size_t i) {
    const size_t slice = slices.next();
    const int64_t z = zero.integers.empty() ? 0 : zero.integers[slice];
    return quantize_value(values[i], scales[slice], z, low, high);
  });
  return result;
}

Constant Constants::dequantized(const onnx::NodeProto& node) const {
  expect_io(node, 3);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 1);
  if (attributes.get_int("block_size", 0) != 0) fail_at(node, "block_size is not supported");
  attributes.finish();
  Constant c = codes(node, required_input(node, 0));
  if (c.is_float || c.dequantized()) fail_at(node, node.input(0) + " is not integers");
  c.scales = float_list(node, required_input(node, 1));
  check_scales(node, c.scales);
  std::vector<int64_t> zeros(c.scales.size(), 0);
  if (!input_or_none(node, 2).empty()) {
    const Constant zero = read(node, node.input(2));
    if (zero.type != c.type) fail_at(node, "its zero point has another type than its codes");
    zeros = zero.integers;
    if (zero.dims.size() > 1) fail_at(node, "its zero point must be one number or a list");
  }
  const bool wide = c.type == onnx::TensorProto::INT32;
  c.axis = c.scales.size() == 1 || c.dims.empty() ? 0 : normal_axis(node, axis, c.dims.size());
  if (c.scales.size() > 1 && (c.dims.empty() || static_cast<int64_t>(c.scales.size()) !=
                                                    c.dims[static_cast<size_t>(c.axis)])) {
    fail_at(node, detail::concat(c.scales.size(), " scales do not fit its axis ", c.axis));
  }
  if (zeros.size() != c.scales.size()) {
    fail_at(node, detail::concat(zeros.size(), " zero points for ", c.scales.size(), " scales"));
  }
  c.zero_points = zeros;
  if (wide) {
    c.low = INT32_MIN;
    c.high = INT32_MAX;
    for (const int64_t zero : c.zero_points) {
      if (zero != 0) fail_at(node, "the zero point of INT32 must be 0");
    }
  } else if (c.low == 0 && c.high == 0) {
    const CodeType type = code_type(node, c.type);
    c.low = type.is_signed ? -(int64_t{1} << (type.bits - 1)) : 0;
    c.high = c.low + (int64_t{1} << type.bits) - 1;
  }
  return c;
}

Constant Constants::clipped(const onnx::NodeProto& node) const {
  expect_io(node, 3);
  Attributes(node).finish();
  Constant c = codes(node, required_input(node, 0));
  if (c.is_float || c.dequantized()) fail_at(node, "only integers may be clipped here");
  const bool again = c.low < c.high;
  const int64_t before_low = c.low;
  const int64_t before_high = c.high;
  const auto bound = [&](int index) {
    const Constant limit = read(node, required_input(node, index));
    if (limit.integers.size() != 1 || limit.type != c.type || limit.dequantized()) {
      fail_at(node, "a limit must be one number of the codes' type");
    }
    return limit.integers.front();
  };
  c.low = bound(1);
  c.high = bound(2);
  if (again) {  // the tighter of both
    c.low = std::clamp(c.low, before_low, before_high);
    c.high = std::clamp(c.high, before_low, before_high);
  }
  if (c.low >= c.high) fail_at(node, "its limits make no range");
  for (int64_t& value : c.integers) value = std::clamp(value, c.low, c.high);
  return c;
}

/// Zero points of QONNX's Quant: one, or as many as scales, along the same axis.
std::vector<int64_t> Constants::zero_points_of_quant(const onnx::NodeProto& node,
                                                     const Constant& scale, size_t scales) const {
  const std::string& name = required_input(node, 2);
  const Constant zero = read(node, name);
  std::vector<int64_t> result;
  for (const float value : floats(node, name)) {
    result.push_back(whole_number(node, "a zero point", value));
  }
  if (result.size() == 1) return std::vector<int64_t>(scales, result.front());
  if (zero.dims != scale.dims || result.size() != scales) {
    fail_at(node, "its zero points must be one number, or lie as its scales");
  }
  return result;
}

/// QONNX's Quant on a constant.
Constant Constants::quant(const onnx::NodeProto& node) const {
  expect_io(node, 4);
  const QuantSettings settings = quant_settings(node);
  const std::vector<float> values = floats(node, required_input(node, 0));
  expect_finite(node, values);
  Constant c{.dims = find(node.input(0))->dims};
  const Constant scale = read(node, required_input(node, 1));
  const std::vector<float> scales = floats(node, required_input(node, 1));
  check_scales(node, scales);
  const float bits = scalar(node, required_input(node, 3));
  const int64_t width = whole_number(node, "a bit width", bits);
  if (width < 1 || width > 32) {
    fail_at(node, detail::concat("a bit width of ", bits, " is not supported"));
  }
  c.scales = scales;
  c.low = settings.is_signed ? -(int64_t{1} << (width - 1)) + settings.narrow : 0;
  c.high = settings.is_signed ? (int64_t{1} << (width - 1)) - 1
                              : (int64_t{1} << width) - 1 - settings.narrow;
  c.axis = scale_axis(node, scale.dims, c.dims);
  c.zero_points = zero_points_of_quant(node, scale, scales.size());
  c.type = width > 8 ? onnx::TensorProto::INT32
                     : (settings.is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8);
  Slices slices(c.dims, c.axis, scales.size());
  c.fill(values.size(), [&](size_t i) {
    const size_t slice = slices.next();
    return quant_value(values[i], scales[slice], c.zero_points[slice], c.low, c.high,
                       settings.rounding);
  });
  return c;
}

Constant Constants::bipolar(const onnx::NodeProto& node) const {
  expect_io(node, 2);
  Attributes(node).finish();
  const std::vector<float> values = floats(node, required_input(node, 0));
  expect_finite(node, values);
  Constant c{.dims = find(node.input(0))->dims, .type = onnx::TensorProto::INT8};
  const Constant scale = read(node, required_input(node, 1));
  c.scales = floats(node, required_input(node, 1));
  check_scales(node, c.scales);
  c.axis = scale_axis(node, scale.dims, c.dims);
  c.zero_points.assign(c.scales.size(), 0);
  c.low = -1;
  c.high = 0;
  c.odd = true;
  c.fill(values.size(), [&](size_t i) { return values[i] >= 0 ? 0 : -1; });
  return c;
}

}  // namespace flatenn::interop
