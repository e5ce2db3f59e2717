#include "interop/onnx_write_qonnx.h"

#include <cmath>

#include "flatenn/base/error.h"
#include "interop/onnx_tensor.h"

namespace flatenn::interop {
namespace {

constexpr int kBiasBits = 32;

/// `values` along the first of `rank` dimensions, or a scalar.
onnx::TensorProto by_channel(const std::string& name, const std::vector<float>& values,
                             size_t rank) {
  if (values.size() == 1) return scalar_tensor(name, values.front());
  std::vector<int64_t> dims(rank, 1);
  dims.front() = std::ssize(values);
  return float_tensor(name, values, dims);
}

/// A real value that Quant rounds to `integer`: their product in float32 or, where its rounding
/// leads elsewhere, one beside it. Integers above 2^24 may have none.
float real_value(double integer, float scale) {
  const auto product = static_cast<float>(integer * static_cast<double>(scale));
  for (const float value :
       {product, std::nextafterf(product, -INFINITY), std::nextafterf(product, INFINITY)}) {
    if (std::nearbyintf(value / scale) == static_cast<float>(integer)) return value;
  }
  return product;
}

bool is_one_bit(const Weights& w) { return w.value_map == ValueMap::kOdd && w.bits == 1; }

}  // namespace

void QonnxForm::quant(const std::string& base, const std::string& real, const std::string& output,
                      const onnx::TensorProto& scale, const onnx::TensorProto& zero,
                      const Codes& codes) {
  const std::string bits =
      graph_.constant(scalar_tensor(base + ":bits", static_cast<float>(codes.bits)));
  onnx::NodeProto& node =
      graph_.node("Quant", base + "/quant",
                  {real, graph_.constant(scale), graph_.constant(zero), bits}, output);
  node.set_domain(kQonnxDomain);
  add_int(node, "signed", codes.is_signed ? 1 : 0);
  add_int(node, "narrow", codes.narrow ? 1 : 0);
  add_text(node, "rounding_mode", "ROUND");
}

void QonnxForm::quantize(const Activation& a, const std::string& real) {
  quant(a.name, real, a.name, scalar_tensor(a.name + ":scale", a.scale),
        scalar_tensor(a.name + ":zero", static_cast<float>(a.zero_point)),
        {.bits = a.bits, .is_signed = a.is_signed});
}

/// Odd values are integers of one bit more, but for those of one bit.
std::string QonnxForm::weights(const Layer& layer) {
  const Weights& w = layer.weights;
  const std::string base = layer.name + ":weight";
  std::vector<float> real;
  real.reserve(w.codes.size());
  const int64_t fan_in = w.fan_in();
  for (size_t i = 0; i < w.codes.size(); ++i) {
    const int64_t channel = static_cast<int64_t>(i) / fan_in;
    const int value = w.value(w.codes[i], channel);
    real.push_back(real_value(value, w.scale(channel)));
    FLATENN_CHECK(std::nearbyintf(real.back() / w.scale(channel)) == static_cast<float>(value),
                  describe(layer), ": weight ", value, " at scale ", w.scale(channel),
                  " is no float32 number, as a QONNX file needs it");
  }
  const std::vector<int64_t> dims = weight_dims(layer);
  const std::string stored = graph_.constant(float_tensor(base + ":values", real, dims));
  const std::string output = graph_.fresh(base);
  const onnx::TensorProto scale = by_channel(base + ":scale", w.scales, dims.size());
  if (is_one_bit(w)) {
    graph_.node("BipolarQuant", base + "/quant", {stored, graph_.constant(scale)}, output)
        .set_domain(kQonnxDomain);
    return output;
  }
  std::vector<float> zeros(w.zero_points.begin(), w.zero_points.end());
  if (zeros.empty()) zeros.push_back(0);
  const bool odd = w.value_map == ValueMap::kOdd;
  quant(base, stored, output, scale, by_channel(base + ":zero", zeros, dims.size()),
        {.bits = w.bits + (odd ? 1 : 0), .narrow = odd});
  return output;
}

std::string QonnxForm::bias(const Layer& layer, float src_scale) {
  const std::string base = layer.name + ":bias";
  std::vector<float> scales;
  for (const float scale : layer.weights.scales) scales.push_back(src_scale * scale);
  std::vector<float> real;
  for (size_t i = 0; i < layer.bias.size(); ++i) {
    real.push_back(real_value(layer.bias[i], scales[scales.size() == 1 ? 0 : i]));
  }
  const std::string output = graph_.fresh(base);
  quant(base, graph_.constant(float_tensor(base + ":values", real)), output,
        by_channel(base + ":scale", scales, 1), scalar_tensor(base + ":zero", 0),
        {.bits = kBiasBits});
  return output;
}

CodeForm::Index QonnxForm::index(const Layer& layer, const Activation& a, const std::string& real) {
  const std::string base = layer.name;
  const std::string scale = graph_.constant(scalar_tensor(base + ":unit", a.scale));
  const std::string units = graph_.fresh(base + ":units");
  const std::string whole = graph_.fresh(base + ":whole");
  const std::string index = graph_.fresh(base + ":index");
  graph_.node("Div", base + "/divide", {real, scale}, units);
  graph_.node("Round", base + "/round", {units}, whole);
  add_int(graph_.node("Cast", base + "/cast", {whole}, index), "to", onnx::TensorProto::INT32);
  return {.tensor = index, .zero = a.zero_point};
}

void QonnxForm::look_up(const Layer& layer, const std::string& place, const Activation& dst) {
  std::vector<float> values;
  for (const int16_t code : layer.table) {
    values.push_back(dst.scale * static_cast<float>(code - dst.zero_point));
  }
  const std::string table = graph_.constant(float_tensor(layer.name + ":table", values));
  const std::string found = graph_.fresh(layer.name + ":found");
  add_int(graph_.layer_node("Gather", layer.name, {table, place}, found), "axis", 0);
  quantize(dst, found);
}

}  // namespace flatenn::interop
