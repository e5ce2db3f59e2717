#include "interop/onnx_write_qdq.h"

#include "interop/onnx_tensor.h"

namespace flatenn::interop {
namespace {

int lowest(const CodeType& type) { return type.is_signed ? -(1 << (type.bits - 1)) : 0; }
int highest(const CodeType& type) { return lowest(type) + (1 << type.bits) - 1; }

/// The integers that multiply, from the least code to the greatest.
struct Range {
  int low;
  int high;
};
Range value_range(const Weights& w) {
  const int top = 1 << (w.bits - 1);
  return {w.value(static_cast<int8_t>(-top)), w.value(static_cast<int8_t>(top - 1))};
}

CodeType weight_word(const Weights& w, bool int4) {
  const CodeType narrow{.bits = 4, .is_signed = true};
  const Range range = value_range(w);
  const bool fits = range.low >= lowest(narrow) && range.high <= highest(narrow);
  return int4 && fits ? narrow : CodeType{.bits = 8, .is_signed = true};
}

}  // namespace

QdqForm::QdqForm(GraphBuilder& graph, const Network& network, bool int4)
    : graph_(graph), int4_(int4) {
  if (!int4) return;
  std::set<std::string> wide;
  for (const Layer& layer : network.layers) {
    const bool bytes = layer.kind == LayerKind::kMaxPool ||
                       (layer.multiplies() && weight_word(layer.weights, int4).bits == 8);
    if (!bytes) continue;
    for (const int64_t index : {layer.src, layer.dst}) {
      wide.insert(network.activations[static_cast<size_t>(index)].name);
    }
  }
  for (const Activation& a : network.activations) {
    if (a.bits == 4 && !wide.contains(a.name)) narrow_.insert(a.name);
  }
}

CodeType QdqForm::word(const Activation& a) const {
  return {.bits = narrow_.contains(a.name) ? 4 : 8, .is_signed = a.is_signed};
}

/// Clip to [low, high] in the codes' own type; `name` itself where the type says as much.
std::string QdqForm::clip(const std::string& name, int low, int high, const CodeType& type) {
  if (type.bits < 8 || (low == lowest(type) && high == highest(type))) return name;
  const std::string out = graph_.fresh(name + ":clipped");
  graph_.node("Clip", name + "/clip",
              {name, graph_.constant(code_scalar(name + ":low", low, type)),
               graph_.constant(code_scalar(name + ":high", high, type))},
              out);
  return out;
}

void QdqForm::quantize(const Activation& a, const std::string& real) {
  const CodeType type = word(a);
  const std::string scale = graph_.constant(scalar_tensor(a.name + ":scale", a.scale));
  const std::string zero = graph_.constant(code_scalar(a.name + ":zero", a.zero_point, type));
  const std::string codes = graph_.fresh(a.name + ":codes");
  graph_.node("QuantizeLinear", a.name + "/quantize", {real, scale, zero}, codes);
  read_codes(a, clip(codes, a.min_code(), a.max_code(), type), scale, zero);
}

void QdqForm::read_codes(const Activation& a, const std::string& codes, const std::string& scale,
                         const std::string& zero) {
  graph_.node("DequantizeLinear", a.name + "/dequantize", {codes, scale, zero}, a.name);
  codes_[a.name] = codes;
}

/// Values rather than codes, so that any runtime multiplies by the right integer.
std::string QdqForm::weight_values(const Layer& layer, const CodeType& type,
                                   const std::string& base) {
  const Weights& w = layer.weights;
  std::vector<int8_t> odd;
  if (w.value_map != ValueMap::kCode) {
    odd.reserve(w.codes.size());
    for (const int8_t code : w.codes) odd.push_back(static_cast<int8_t>(w.value(code)));
  }
  const std::string stored = graph_.constant(
      code_tensor(base + ":values", odd.empty() ? w.codes : odd, weight_dims(layer), type));
  const Range range = value_range(w);
  return clip(stored, range.low, range.high, type);
}

std::string QdqForm::weights(const Layer& layer) {
  const Weights& w = layer.weights;
  const CodeType type = weight_word(w, int4_);
  const std::string base = layer.name + ":weight";
  const std::string values = weight_values(layer, type, base);
  std::vector<float> scales = w.scales;
  if (w.zero_points.size() > 1 && scales.size() == 1) {
    scales.resize(w.zero_points.size(), scales.front());
  }
  std::vector<int8_t> zeros(w.zero_points.begin(), w.zero_points.end());
  // Written where they are 0, too: ONNX Runtime's x64quantprecision adds wrong ones otherwise.
  zeros.resize(scales.size(), zeros.empty() ? int8_t{0} : zeros.front());
  const std::vector<int64_t> dims =
      scales.size() == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{std::ssize(zeros)};
  return dequantize(base, values, scales,
                    graph_.constant(code_tensor(base + ":zero", zeros, dims, type)));
}

std::string QdqForm::bias(const Layer& layer, float src_scale) {
  std::vector<float> scales;
  for (const float scale : layer.weights.scales) {
    scales.push_back(
        static_cast<float>(static_cast<double>(src_scale) * static_cast<double>(scale)));
  }
  const std::string base = layer.name + ":bias";
  return dequantize(base, graph_.constant(int32_tensor(base + ":values", layer.bias)), scales);
}

/// Constants, with one scale or one a slice of axis 0.
std::string QdqForm::dequantize(const std::string& base, const std::string& values,
                                const std::vector<float>& scales, const std::string& zero) {
  const std::string scale =
      graph_.constant(scales.size() == 1 ? scalar_tensor(base + ":scale", scales.front())
                                         : float_tensor(base + ":scale", scales));
  std::vector<std::string> inputs{values, scale};
  if (!zero.empty()) inputs.push_back(zero);
  const std::string real = graph_.fresh(base);
  onnx::NodeProto& node = graph_.node("DequantizeLinear", base + "/dequantize", inputs, real);
  if (scales.size() > 1) add_int(node, "axis", 0);
  return real;
}

CodeForm::Index QdqForm::index(const Layer& layer, const Activation& a, const std::string& real) {
  std::string codes = codes_[a.name];
  if (codes.empty()) {  // those that a layer moved
    codes = graph_.fresh(layer.name + ":in_codes");
    const std::string scale = graph_.constant(scalar_tensor(layer.name + ":in_scale", a.scale));
    const std::string zero =
        graph_.constant(code_scalar(layer.name + ":in_zero", a.zero_point, word(a)));
    graph_.node("QuantizeLinear", layer.name + "/codes", {real, scale, zero}, codes);
  }
  const std::string out = graph_.fresh(layer.name + ":index");
  add_int(graph_.node("Cast", layer.name + "/cast", {codes}, out), "to", onnx::TensorProto::INT32);
  return {.tensor = out, .zero = 0};
}

/// In words of eight bits: tables of four are no operand of Gather.
void QdqForm::look_up(const Layer& layer, const std::string& place, const Activation& dst) {
  const CodeType type{.bits = 8, .is_signed = dst.is_signed};
  std::vector<int8_t> bytes;
  for (const int16_t code : layer.table) bytes.push_back(static_cast<int8_t>(code));
  const std::string table =
      graph_.constant(code_tensor(layer.name + ":table", bytes, {std::ssize(bytes)}, type));
  const std::string codes = graph_.fresh(dst.name + ":codes");
  add_int(graph_.layer_node("Gather", layer.name, {table, place}, codes), "axis", 0);
  const std::string scale = graph_.constant(scalar_tensor(dst.name + ":scale", dst.scale));
  const std::string zero = graph_.constant(code_scalar(dst.name + ":zero", dst.zero_point, type));
  read_codes(dst, clip(codes, dst.min_code(), dst.max_code(), type), scale, zero);
}

}  // namespace flatenn::interop
