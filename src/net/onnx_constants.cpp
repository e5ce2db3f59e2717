#include "net/onnx_constants.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "net/onnx_graph.h"
#include "net/onnx_tensor.h"

namespace flatenn::net {
namespace {

bool is_code_type(const onnx::TensorProto& tensor) {
  return tensor.data_type() == onnx::TensorProto::INT8 ||
         tensor.data_type() == onnx::TensorProto::UINT8;
}

void set_type_range(QuantizedConstant& constant) {
  constant.low = constant.is_signed ? -128 : 0;
  constant.high = constant.is_signed ? 127 : 255;
}

}  // namespace

Constants::Constants(const onnx::GraphProto& graph) {
  for (const onnx::TensorProto& tensor : graph.initializer()) raw_[tensor.name()] = &tensor;
}

const onnx::TensorProto* Constants::raw(const std::string& name) const {
  const auto found = raw_.find(name);
  return found == raw_.end() ? nullptr : found->second;
}

const QuantizedConstant* Constants::dequantized(const std::string& name) const {
  const auto found = quantized_.find(name);
  return found == quantized_.end() || found->second.scales.empty() ? nullptr : &found->second;
}

float Constants::scalar(const onnx::NodeProto& node, const std::string& name) const {
  const onnx::TensorProto* tensor = raw(name);
  if (tensor == nullptr) fail_at(node, "scale " + name + " is not a constant");
  const std::vector<float> values = floats_of(*tensor);
  if (values.size() != 1) {
    fail_at(node, detail::concat("expected one scale, got ", values.size()));
  }
  return values.front();
}

Constants::Code Constants::code(const onnx::NodeProto& node, const std::string& name) const {
  const onnx::TensorProto* tensor = raw(name);
  if (tensor == nullptr) fail_at(node, name + " is not a constant");
  if (!is_code_type(*tensor) || element_count(*tensor) != 1) {
    fail_at(node, detail::concat(name, " must be one INT8 or UINT8, got ", element_count(*tensor),
                                 " of type ", type_name(*tensor)));
  }
  return {integers_of(*tensor).front(), tensor->data_type() == onnx::TensorProto::INT8};
}

bool Constants::absorb(const onnx::NodeProto& node) {
  const std::string& op = node.op_type();
  if (op == "Constant") {
    absorb_constant(node);
    return true;
  }
  const std::string src = input_or_none(node, 0);
  if (raw(src) == nullptr && !quantized_.contains(src)) return false;
  if (op == "Identity") {
    if (raw(src) != nullptr) raw_[node.output(0)] = raw(src);
    if (quantized_.contains(src)) quantized_[node.output(0)] = quantized_[src];
  } else if (op == "QuantizeLinear") {
    quantize(node);
  } else if (op == "Clip") {
    clip(node);
  } else if (op == "DequantizeLinear") {
    dequantize(node);
  } else {
    return false;
  }
  return true;
}

void Constants::absorb_constant(const onnx::NodeProto& node) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() != "value" || !attribute.has_t()) continue;
    onnx::TensorProto& tensor = owned_[node.output(0)];
    tensor = attribute.t();
    raw_[node.output(0)] = &tensor;
    return;
  }
  fail_at(node, "only a constant with attribute value is supported");
}

std::vector<float> Constants::scales(const onnx::NodeProto& node,
                                     const std::vector<int64_t>& dims) const {
  const std::string name = required_input(node, 1);
  const onnx::TensorProto* tensor = raw(name);
  if (tensor == nullptr) fail_at(node, "scale " + name + " is not a constant");
  std::vector<float> values = floats_of(*tensor);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 1);
  attributes.finish();
  if (values.size() == 1) return values;
  if (axis != 0 && axis != -static_cast<int64_t>(dims.size())) {
    fail_at(node, detail::concat("scales along axis ", axis, ", only 0 is supported"));
  }
  if (dims.empty() || static_cast<int64_t>(values.size()) != dims.front()) {
    fail_at(node, detail::concat(values.size(), " scales do not fit the tensor"));
  }
  return values;
}

int64_t Constants::zero_point(const onnx::NodeProto& node) const {
  const std::string name = input_or_none(node, 2);
  if (name.empty()) return 0;
  const onnx::TensorProto* tensor = raw(name);
  if (tensor == nullptr) fail_at(node, "zero point " + name + " is not a constant");
  const std::vector<int64_t> values = integers_of(*tensor);
  if (values.empty() || std::any_of(values.begin(), values.end(),
                                    [&](int64_t value) { return value != values.front(); })) {
    fail_at(node, "zero points that differ between channels are not supported");
  }
  return values.front();
}

void Constants::quantize(const onnx::NodeProto& node) {
  const onnx::TensorProto* tensor = raw(node.input(0));
  if (tensor == nullptr) fail_at(node, "quantizes a constant that is quantized already");
  QuantizedConstant result{.dims = dims_of(*tensor)};
  const std::vector<float> reals = floats_of(*tensor);
  const std::vector<float> scale = scales(node, result.dims);
  const int64_t zero = zero_point(node);
  const std::string zero_name = input_or_none(node, 2);
  result.is_signed = !zero_name.empty() && raw(zero_name)->data_type() == onnx::TensorProto::INT8;
  set_type_range(result);
  const size_t slice = std::max<size_t>(1, reals.size() / scale.size());
  for (size_t i = 0; i < reals.size(); ++i) {
    const double code = std::nearbyint(reals[i] / scale[std::min(i / slice, scale.size() - 1)]);
    result.values.push_back(static_cast<int64_t>(std::clamp(code + static_cast<double>(zero),
                                                            static_cast<double>(result.low),
                                                            static_cast<double>(result.high))));
  }
  quantized_[node.output(0)] = std::move(result);
}

QuantizedConstant Constants::integers(const onnx::NodeProto& node, const std::string& name) const {
  if (const auto found = quantized_.find(name); found != quantized_.end()) {
    if (!found->second.scales.empty()) fail_at(node, name + " is real, expected integers");
    return found->second;
  }
  const onnx::TensorProto* tensor = raw(name);
  QuantizedConstant result{.dims = dims_of(*tensor), .values = integers_of(*tensor)};
  result.is_signed = tensor->data_type() != onnx::TensorProto::UINT8;
  if (is_code_type(*tensor)) set_type_range(result);
  return result;
}

void Constants::clip(const onnx::NodeProto& node) {
  QuantizedConstant result = integers(node, node.input(0));
  result.low = code(node, required_input(node, 1)).value;
  result.high = code(node, required_input(node, 2)).value;
  if (result.low > result.high) fail_at(node, "its lower bound is above the upper one");
  for (int64_t& value : result.values) value = std::clamp(value, result.low, result.high);
  quantized_[node.output(0)] = std::move(result);
}

void Constants::dequantize(const onnx::NodeProto& node) {
  QuantizedConstant result = integers(node, node.input(0));
  result.scales = scales(node, result.dims);
  const int64_t zero = zero_point(node);
  for (int64_t& value : result.values) value -= zero;
  if (result.low != INT64_MIN) {
    result.low -= zero;
    result.high -= zero;
  }
  quantized_[node.output(0)] = std::move(result);
}

}  // namespace flatenn::net
