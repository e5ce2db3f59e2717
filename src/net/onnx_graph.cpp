#include "net/onnx_graph.h"

#include "flatenn/base/error.h"

namespace flatenn::net {

std::string describe(const onnx::NodeProto& node) {
  const std::string& name =
      node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
  return "node " + name + " (" + node.op_type() + ")";
}

void fail_at(const onnx::NodeProto& node, const std::string& message) {
  throw Error(describe(node) + ": " + message);
}

Attributes::Attributes(const onnx::NodeProto& node) : node_(node) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    unread_[attribute.name()] = &attribute;
  }
}

const onnx::AttributeProto* Attributes::find(const std::string& name,
                                             onnx::AttributeProto::AttributeType type) {
  const auto found = unread_.find(name);
  if (found == unread_.end()) return nullptr;
  const onnx::AttributeProto* attribute = found->second;
  unread_.erase(found);
  if (attribute->type() != type) fail_at(node_, "attribute " + name + " has the wrong type");
  return attribute;
}

int64_t Attributes::get_int(const std::string& name, int64_t fallback) {
  const auto* attribute = find(name, onnx::AttributeProto::INT);
  return attribute == nullptr ? fallback : attribute->i();
}

float Attributes::get_float(const std::string& name, float fallback) {
  const auto* attribute = find(name, onnx::AttributeProto::FLOAT);
  return attribute == nullptr ? fallback : attribute->f();
}

std::string Attributes::get_string(const std::string& name, const std::string& fallback) {
  const auto* attribute = find(name, onnx::AttributeProto::STRING);
  return attribute == nullptr ? fallback : attribute->s();
}

std::vector<int64_t> Attributes::get_ints(const std::string& name, std::vector<int64_t> fallback) {
  const auto* attribute = find(name, onnx::AttributeProto::INTS);
  if (attribute == nullptr) return fallback;
  return {attribute->ints().begin(), attribute->ints().end()};
}

int64_t Attributes::get_uniform(const std::string& name, size_t size, int64_t fallback) {
  const std::vector<int64_t> values = get_ints(name, std::vector<int64_t>(size, fallback));
  if (values.size() != size) {
    fail_at(node_, detail::concat("attribute ", name, " has ", values.size(),
                                  " elements, expected ", size));
  }
  for (const int64_t value : values) {
    if (value != values.front()) {
      fail_at(node_, detail::concat("attribute ", name, " has unequal elements (", values.front(),
                                    " and ", value, "), which is not supported"));
    }
  }
  return values.front();
}

void Attributes::ignore(const std::string& name) { unread_.erase(name); }

void Attributes::finish() const {
  if (!unread_.empty()) fail_at(node_, "attribute " + unread_.begin()->first + " is not supported");
}

std::string input_or_none(const onnx::NodeProto& node, int index) {
  return index < node.input_size() ? node.input(index) : std::string();
}

std::string required_input(const onnx::NodeProto& node, int index) {
  const std::string name = input_or_none(node, index);
  if (name.empty()) fail_at(node, detail::concat("input ", index, " is missing"));
  return name;
}

}  // namespace flatenn::net
