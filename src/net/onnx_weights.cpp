#include "net/onnx_weights.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "net/onnx_graph.h"
#include "net/onnx_tensor.h"

namespace flatenn::net {
namespace {

/// Freeze clamps to this too: float(acc) + float(bias) then stays far from overflow.
constexpr int64_t kMaxBias = int64_t{1} << 30;
/// Two float roundings apart at most, where the file's bias scale is src scale * weight scale.
constexpr double kScaleTolerance = 1e-5;

int fewest_bits(int64_t low, int64_t high) {
  int bits = 2;
  while (low < -(int64_t{1} << (bits - 1)) || high >= int64_t{1} << (bits - 1)) ++bits;
  return bits;
}

bool looks_odd(const QuantizedConstant& constant) {
  const int64_t levels = constant.high + 1;
  return constant.low == -constant.high && levels >= 4 && levels <= 128 &&
         (levels & (levels - 1)) == 0 &&
         std::all_of(constant.values.begin(), constant.values.end(),
                     [](int64_t value) { return value % 2 != 0; });
}

std::vector<int64_t> transposed_values(const QuantizedConstant& matrix) {
  const auto rows = static_cast<size_t>(matrix.dims[0]);
  const auto columns = static_cast<size_t>(matrix.dims[1]);
  std::vector<int64_t> result(matrix.values.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) result[c * rows + r] = matrix.values[r * columns + c];
  }
  return result;
}

int32_t clamped_bias(double value) {
  return static_cast<int32_t>(std::clamp(std::nearbyint(value), -static_cast<double>(kMaxBias),
                                         static_cast<double>(kMaxBias)));
}

}  // namespace

const std::string* WeightReader::property(const std::string& layer, const std::string& key) const {
  const auto found = metadata_.find("layer." + layer + "." + key);
  return found == metadata_.end() ? nullptr : &found->second;
}

void WeightReader::set_format(const onnx::NodeProto& node, const QuantizedConstant& constant,
                              const std::string& layer, Weights& weights) const {
  const std::string* map = property(layer, "value_map");
  const bool odd = map != nullptr ? *map == "odd" : looks_odd(constant);
  weights.value_map = odd ? ValueMap::kOdd : ValueMap::kCode;
  const int64_t low = odd ? (constant.low - 1) / 2 : constant.low;
  const int64_t high = odd ? (constant.high - 1) / 2 : constant.high;
  weights.bits = fewest_bits(low, high);
  if (weights.bits > 8) {
    fail_at(node, detail::concat("weights in [", constant.low, ", ", constant.high,
                                 "] do not fit 8 bits"));
  }
}

void WeightReader::read_weights(const onnx::NodeProto& node, const std::string& tensor,
                                bool transposed, Layer& layer) const {
  const QuantizedConstant* constant = constants_.dequantized(tensor);
  if (constant == nullptr) {
    fail_at(node, "weights " + tensor + " are not INT8 or UINT8 through DequantizeLinear");
  }
  const std::vector<int64_t>& dims = constant->dims;
  if (dims.size() != (layer.kind == LayerKind::kConv ? 4U : 2U)) {
    fail_at(node, detail::concat("weights ", tensor, " have ", dims.size(), " dimensions"));
  }
  if (transposed && constant->scales.size() > 1) {
    fail_at(node, "per-channel scales of a matrix [inputs, outputs] are not supported");
  }
  Weights& w = layer.weights;
  w.out_channels = dims[transposed ? 1 : 0];
  w.in_channels = dims[transposed ? 0 : 1];
  if (dims.size() == 4) {
    w.kernel_height = dims[2];
    w.kernel_width = dims[3];
  }
  w.scales = constant->scales;
  set_format(node, *constant, layer.name, w);
  for (const int64_t value : transposed ? transposed_values(*constant) : constant->values) {
    if (w.value_map == ValueMap::kOdd && value % 2 == 0) {
      fail_at(node, detail::concat("weight value ", value, " is even, but the layer's are odd"));
    }
    w.codes.push_back(static_cast<int8_t>(w.value_map == ValueMap::kOdd ? (value - 1) / 2 : value));
  }
}

void WeightReader::read_bias(const onnx::NodeProto& node, const std::string& tensor,
                             float src_scale, Layer& layer) const {
  const auto channels = static_cast<size_t>(layer.weights.out_channels);
  if (tensor.empty()) {
    layer.bias.assign(channels, 0);
    return;
  }
  const auto unit = [&](size_t c) {
    return static_cast<double>(src_scale) *
           static_cast<double>(layer.weights.scale(static_cast<int64_t>(c)));
  };
  layer.bias.clear();
  if (const QuantizedConstant* constant = constants_.dequantized(tensor)) {
    for (size_t c = 0; c < constant->values.size() && c < channels; ++c) {
      const double scale = constant->scales[constant->scales.size() == 1 ? 0 : c];
      const auto value = static_cast<double>(constant->values[c]);
      const bool same = std::abs(scale - unit(c)) <= kScaleTolerance * std::abs(unit(c));
      layer.bias.push_back(clamped_bias(same ? value : value * scale / unit(c)));
    }
  } else if (const onnx::TensorProto* real = constants_.raw(tensor)) {
    const std::vector<float> values = floats_of(*real);
    for (size_t c = 0; c < values.size() && c < channels; ++c) {
      layer.bias.push_back(clamped_bias(static_cast<double>(values[c]) / unit(c)));
    }
  }
  if (layer.bias.size() != channels) {
    fail_at(node,
            detail::concat("bias ", tensor, " must be a constant of ", channels, " elements"));
  }
}

}  // namespace flatenn::net
