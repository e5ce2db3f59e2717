#include "interop/onnx_write_graph.h"

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

onnx::AttributeProto& add_attribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

void describe_value(onnx::ValueInfoProto& value, const std::string& name, const Shape& shape,
                    bool matrix) {
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  type.mutable_shape()->add_dim()->set_dim_value(shape.channels);
  if (matrix) return;
  type.mutable_shape()->add_dim()->set_dim_value(shape.height);
  type.mutable_shape()->add_dim()->set_dim_value(shape.width);
}

/// `name`, or the first of name_2, name_3, ... that is not taken; taken from then on.
std::string unique(std::set<std::string>& taken, const std::string& name) {
  std::string result = name;
  for (int n = 2; !taken.insert(result).second; ++n) result = name + "_" + std::to_string(n);
  return result;
}

}  // namespace

void add_int(onnx::NodeProto& node, const std::string& name, int64_t value) {
  add_attribute(node, name, onnx::AttributeProto::INT).set_i(value);
}

void add_ints(onnx::NodeProto& node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = add_attribute(node, name, onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
}

void add_text(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  add_attribute(node, name, onnx::AttributeProto::STRING).set_s(value);
}

GraphBuilder::GraphBuilder(onnx::GraphProto& graph, const Network& network) : graph_(graph) {
  for (const Layer& layer : network.layers) nodes_.insert(layer.name);
  for (const Activation& a : network.activations) tensors_.insert(a.name);
}

std::string GraphBuilder::fresh(const std::string& name) { return unique(tensors_, name); }

onnx::NodeProto& GraphBuilder::node(const std::string& op, const std::string& name,
                                    const std::vector<std::string>& inputs,
                                    const std::string& output) {
  return add_node(op, unique(nodes_, name), inputs, output);
}

onnx::NodeProto& GraphBuilder::layer_node(const std::string& op, const std::string& layer,
                                          const std::vector<std::string>& inputs,
                                          const std::string& output) {
  FLATENN_ASSERT(nodes_.contains(layer), layer, " is no layer");
  return add_node(op, layer, inputs, output);
}

onnx::NodeProto& GraphBuilder::add_node(const std::string& op, const std::string& name,
                                        const std::vector<std::string>& inputs,
                                        const std::string& output) {
  onnx::NodeProto& result = *graph_.add_node();
  result.set_op_type(op);
  result.set_name(name);
  for (const std::string& input : inputs) result.add_input(input);
  result.add_output(output);
  return result;
}

std::string GraphBuilder::constant(onnx::TensorProto tensor) {
  tensor.set_name(fresh(tensor.name()));
  onnx::TensorProto& stored = *graph_.add_initializer();
  stored = std::move(tensor);
  return stored.name();
}

void GraphBuilder::input(const std::string& name, const Shape& shape) {
  describe_value(*graph_.add_input(), name, shape, /*matrix=*/false);
}

void GraphBuilder::output(const std::string& name, const Shape& shape, bool matrix) {
  describe_value(*graph_.add_output(), name, shape, matrix);
}

}  // namespace flatenn::interop
