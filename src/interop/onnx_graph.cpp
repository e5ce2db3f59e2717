#include "interop/onnx_graph.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::interop {

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
    if (!unread_.emplace(attribute.name(), &attribute).second) {
      fail_at(node, "attribute " + attribute.name() + " stands twice");
    }
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

bool Attributes::get_flag(const std::string& name, bool fallback) {
  const int64_t value = get_int(name, fallback ? 1 : 0);
  if (value != 0 && value != 1) {
    fail_at(node_, detail::concat("attribute ", name, " is ", value, ", expected 0 or 1"));
  }
  return value == 1;
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

void Attributes::ignore(const std::string& name) { unread_.erase(name); }

void Attributes::finish() const {
  if (!unread_.empty()) fail_at(node_, "attribute " + unread_.begin()->first + " is not supported");
}

float rounded(float x, Rounding mode) {
  switch (mode) {
    case Rounding::kHalfEven:
      return std::nearbyint(x);
    case Rounding::kCeil:
      return std::ceil(x);
    case Rounding::kFloor:
      return std::floor(x);
    case Rounding::kUp:
      return std::copysign(std::ceil(std::abs(x)), x);
    case Rounding::kDown:
      return std::trunc(x);
    case Rounding::kHalfUp:
      return std::copysign(std::floor(std::abs(x) + 0.5F), x);
    case Rounding::kHalfDown:
      return std::copysign(std::ceil(std::abs(x) - 0.5F), x);
  }
  return x;
}

namespace {

const std::map<std::string, Rounding>& rounding_modes() {
  static const std::map<std::string, Rounding> kModes = {
      {"ROUND", Rounding::kHalfEven}, {"HALF_EVEN", Rounding::kHalfEven},
      {"CEIL", Rounding::kCeil},      {"FLOOR", Rounding::kFloor},
      {"UP", Rounding::kUp},          {"DOWN", Rounding::kDown},
      {"HALF_UP", Rounding::kHalfUp}, {"HALF_DOWN", Rounding::kHalfDown}};
  return kModes;
}

}  // namespace

const char* rounding_name(Rounding mode) {
  for (const auto& [name, value] : rounding_modes()) {
    if (value == mode) return name.c_str();
  }
  return "";
}

QuantSettings quant_settings(const onnx::NodeProto& node, const std::string& rounding) {
  Attributes attributes(node);
  const bool trunc = node.op_type() == "Trunc";
  for (const char* name : {"signed", "narrow"}) {
    if (!trunc && !attributes.has(name)) {
      fail_at(node, std::string("attribute ") + name + " is missing");
    }
  }
  if (trunc && !attributes.has("rounding_mode"))
    fail_at(node, "attribute rounding_mode is missing");
  QuantSettings settings;
  settings.is_signed = attributes.get_flag("signed", true);
  settings.narrow = attributes.get_flag("narrow", false);
  std::string name = attributes.get_string("rounding_mode", rounding);
  attributes.finish();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto mode = rounding_modes().find(name);
  if (mode == rounding_modes().end()) {
    fail_at(node, "rounding_mode " + name + " is not one of QONNX's");
  }
  settings.rounding = mode->second;
  return settings;
}

std::string input_or_none(const onnx::NodeProto& node, int index) {
  return index < node.input_size() ? node.input(index) : std::string();
}

std::string required_input(const onnx::NodeProto& node, int index) {
  const std::string name = input_or_none(node, index);
  if (name.empty()) fail_at(node, detail::concat("input ", index, " is missing"));
  return name;
}

void fail_exists(const onnx::NodeProto& node, const std::string& output) {
  fail_at(node, "writes " + output + ", which exists already");
}

void expect_io(const onnx::NodeProto& node, int most_inputs, int most_outputs) {
  if (node.input_size() > most_inputs) {
    fail_at(node,
            detail::concat("has ", node.input_size(), " inputs, expected at most ", most_inputs));
  }
  if (node.output_size() > most_outputs) {
    fail_at(node, detail::concat("has ", node.output_size(), " outputs, expected ", most_outputs));
  }
}

}  // namespace flatenn::interop
