#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"
#include "interop/onnx_window.h"

/// Nodes that become layers.
namespace flatenn::interop {
namespace {

/// Two float roundings apart at most, where the file's bias scale is src scale * weight scale.
constexpr double kScaleTolerance = 1e-5;
/// A bias beside which no sum counts.
constexpr double kOnlyBias = 1 << 29;

int fewest_bits(int64_t low, int64_t high) {
  int bits = 1;
  while (low < -(int64_t{1} << (bits - 1)) || high >= int64_t{1} << (bits - 1)) ++bits;
  return bits;
}

/// Bits of a stored weight as our own files say them.
int stored_bits(const onnx::NodeProto& node, const std::string& text) {
  if (text.size() != 1 || text[0] < '1' || text[0] > '8') {
    fail_at(node, "metadata weight_bits is '" + text + "', expected 1 to 8");
  }
  return text[0] - '0';
}

/// The codes of weights in the order of the layer's words, outputs first; `code` makes one of a
/// value, or throws. Asked once for each value that occurs.
std::vector<int8_t> stored_words(const Constant& c, bool transposed,
                                 const std::function<int8_t(int64_t)>& code) {
  const auto count = static_cast<size_t>(c.elements());
  std::array<bool, 256> occurs{};
  for (size_t i = 0; i < count; ++i) occurs[c.word(i)] = true;
  std::array<int8_t, 256> codes{};
  for (size_t word = 0; word < codes.size(); ++word) {
    if (occurs[word]) codes[word] = code(c.integer_of_word(static_cast<uint8_t>(word)));
  }
  std::vector<int8_t> words(count);
  if (!transposed) {
    for (size_t i = 0; i < count; ++i) words[i] = codes[c.word(i)];
    return words;
  }
  const auto rows = static_cast<size_t>(c.dims[0]);
  const auto columns = static_cast<size_t>(c.dims[1]);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      words[column * rows + row] = codes[c.word(row * columns + column)];
    }
  }
  return words;
}

}  // namespace

/// Of a tensor [N, C, H, W].
Shape Importer::plane(const Node& node, const Tensor& from) const {
  if (from.dims.size() != 3 || from.channels_last) {
    fail_at(node, detail::concat("reads ", from.dims.size(), " dimensions",
                                 from.channels_last ? " with channels last" : "",
                                 ", expected [N, C, H, W]"));
  }
  return {from.dims[0], from.dims[1], from.dims[2]};
}

void Importer::weights(const Node& node, const std::string& name, bool transposed, Layer& layer) {
  if (constants_.find(name) == nullptr) fail_at(node, "weights " + name + " must be constant");
  const Constant c = constants_.codes(node, name);
  constants_.spend(node, c.elements());
  if (!c.dequantized() || !c.is_narrow() || c.low < -255 || c.high > 255) {
    fail_at(node, "weights " + name +
                      " are not codes of at most 8 bits through DequantizeLinear (quantize the " +
                      "network first)");
  }
  const size_t rank = layer.kind == LayerKind::kConv ? 4 : 2;
  if (c.dims.size() != rank) {
    fail_at(node, detail::concat("weights ", name, " have ", c.dims.size(), " dimensions"));
  }
  if (c.scales.size() > 1 && c.axis != (transposed ? 1 : 0)) {
    fail_at(node, "weights " + name + " have scales along another axis than the outputs'");
  }
  for (const int64_t dim : c.dims) {
    if (dim < 1) fail_at(node, "weights " + name + " are empty");
  }
  Weights& w = layer.weights;
  w.out_channels = c.dims[transposed ? 1 : 0];
  w.in_channels = c.dims[transposed ? 0 : 1];
  if (rank == 4) {
    w.kernel_height = c.dims[2];
    w.kernel_width = c.dims[3];
  }
  w.scales = c.scales;
  const auto property = [&](const char* key) {
    const auto found = network_.metadata.find("layer." + layer.name + "." + key);
    return found == network_.metadata.end() ? std::string() : found->second;
  };
  const bool values_odd =
      property("value_map") == "odd" && !c.odd;  // our own files hold values, not codes
  w.value_map = values_odd || c.odd ? ValueMap::kOdd : ValueMap::kCode;
  // Unsigned words are stored as offset binary of signed codes.
  int64_t shift = 0;
  if (c.low >= 0 && !c.odd) {
    shift = 1;
    while (shift < c.high + 1 - shift) shift *= 2;
  }
  const auto code = [&](int64_t value) {
    if (!values_odd) return value - shift;
    if (value % 2 == 0) {
      fail_at(node, detail::concat("weight value ", value, " is even, but the layer's are odd"));
    }
    return (value - 1) / 2;
  };
  w.bits = values_odd ? fewest_bits((c.low - 1) / 2, (c.high - 1) / 2)
                      : std::max(fewest_bits(c.low - shift, c.high - shift), c.odd ? 1 : 2);
  if (const std::string bits = property("weight_bits"); !bits.empty()) {
    w.bits = std::min(w.bits, stored_bits(node, bits));  // types of 4 bits hold fewer, too
  }
  if (options_.weight_bits > 0) w.bits = options_.weight_bits;
  const int64_t least = -(int64_t{1} << (w.bits - 1));
  w.codes = stored_words(c, transposed, [&](int64_t value) {
    const int64_t k = code(value);
    if (k < least || k >= -least) {
      fail_at(node, detail::concat("weight code ", k, " does not fit ", w.bits, " bits"));
    }
    return static_cast<int8_t>(k);
  });
  if (shift != 0) network_.metadata.emplace("encoding", "offset_binary");
  if (w.value_map == ValueMap::kCode) {
    bool any = false;
    for (const int64_t zero : c.zero_points) {
      const int64_t z = zero - shift;
      if (z < least || z >= -least) {
        fail_at(node,
                detail::concat("weight zero point ", zero, " does not fit ", w.bits, " bits"));
      }
      w.zero_points.push_back(static_cast<int>(z));
      any = any || z != 0;
    }
    if (!any) w.zero_points.clear();
    if (std::adjacent_find(w.zero_points.begin(), w.zero_points.end(), std::not_equal_to<>()) ==
            w.zero_points.end() &&
        w.zero_points.size() > 1) {
      w.zero_points.erase(w.zero_points.begin() + 1, w.zero_points.end());
    }
  }
}

/// In units of the layer's sums, one an output channel.
std::vector<double> Importer::bias(const Node& node, const std::string& name, const Layer& layer) {
  const auto channels = static_cast<size_t>(layer.weights.out_channels);
  std::vector<double> result(channels, 0);
  if (name.empty()) return result;
  const Constant c = constants_.read(node, name);
  const bool row = std::all_of(c.dims.begin(), c.dims.end() - (c.dims.empty() ? 0 : 1),
                               [](int64_t extent) { return extent == 1; });
  const auto count = static_cast<size_t>(c.elements());
  const bool one = count == 1 && layer.kind == LayerKind::kLinear;
  if ((count != channels && !one) || !row ||
      (layer.kind == LayerKind::kConv && c.dims.size() != 1)) {
    fail_at(node, detail::concat("bias ", name, " must be a constant of ", channels,
                                 " elements, got ", count));
  }
  std::vector<double> units;
  const auto src_scale = static_cast<double>(activation(layer.src).scale);
  for (size_t i = 0; i < channels; ++i) {
    units.push_back(src_scale * static_cast<double>(layer.weights.scale(static_cast<int64_t>(i))));
  }
  if (c.dequantized()) return bias_of_codes(node, c, units);
  if (raw_bias_) {
    if (c.is_float || c.type != onnx::TensorProto::INT32) {
      fail_at(node, "bias " + name + " must be INT32");
    }
    for (size_t i = 0; i < channels; ++i) {
      result[i] = static_cast<double>(c.integers[one ? 0 : i]);
    }
    return result;
  }
  if (c.type != onnx::TensorProto::FLOAT) {
    fail_at(node, "bias " + name + " is neither FLOAT nor codes behind DequantizeLinear");
  }
  for (size_t i = 0; i < channels; ++i) {
    const float value = c.floats[one ? 0 : i];
    if (!std::isfinite(value)) fail_at(node, "bias " + name + " is not finite");
    result[i] = static_cast<double>(value) / units[i];
  }
  note(node, "bias", "a float bias, rounded to 32-bit units of the sums");
  return result;
}

/// INT32 behind DequantizeLinear counts in units of the sums; other codes have scales of their own.
std::vector<double> Importer::bias_of_codes(const Node& node, const Constant& c,
                                            const std::vector<double>& units) {
  std::vector<double> result;
  bool exact = true;
  for (size_t i = 0; i < units.size(); ++i) {
    const size_t element = c.integers.size() == 1 ? 0 : i;
    const size_t slice = c.scales.size() == 1 ? 0 : element;
    const double scale = c.scales[slice];
    const auto code = c.integers[element];
    const auto value = static_cast<double>(c.odd ? 2 * code + 1 : code - c.zero_points[slice]);
    const bool same = std::abs(scale - units[i]) <= kScaleTolerance * std::abs(units[i]);
    if (!same && c.type == onnx::TensorProto::INT32 && c.low == INT32_MIN) {
      fail_at(node, detail::concat("its bias has a scale of ", scale, " in channel ", i,
                                   ", expected the product of its inputs' scales, ", units[i]));
    }
    exact = exact && same;
    result.push_back(same ? value : value * scale / units[i]);
  }
  if (!exact) note(node, "bias", "its scale is not the product of scales: rounded to it");
  return result;
}

void Importer::add_pending(const Node& node, Layer layer, const Shape& shape,
                           std::vector<double> bias) {
  auto pending = std::make_shared<Pending>();
  const bool vector = layer.kind == LayerKind::kLinear;
  pending->layer = std::move(layer);
  pending->shape = shape;
  pending->bias = std::move(bias);
  Tensor out{.kind = Kind::kPending,
             .dims = {shape.channels, shape.height, shape.width},
             .pending = pending};
  if (vector) out.dims = {shape.channels};
  set(node, out);
}

void Importer::conv(const Node& node) {
  expect_io(node, 3);
  const Tensor from = real(node, 0);
  Layer layer{.name = layer_name(node), .kind = LayerKind::kConv, .src = from.activation};
  Shape in = plane(node, from);
  weights(node, required_input(node, 1), false, layer);
  const Weights& w = layer.weights;
  Attributes attributes(node);
  layer.window =
      read_window(node, attributes, {in.height, in.width}, {w.kernel_height, w.kernel_width});
  layer.groups = attributes.get_int("group", 1);
  attributes.finish();
  if (!from.pads.empty()) {
    layer.window.top += from.pads[0];
    layer.window.left += from.pads[1];
    layer.window.bottom += from.pads[2];
    layer.window.right += from.pads[3];
    in = activation(from.activation).shape;
  }
  // Convolutions keep their kernel in the weights alone.
  layer.window.kernel_height = layer.window.kernel_width = 1;
  if (layer.groups < 1 || layer.groups > in.channels ||
      w.in_channels * layer.groups != in.channels) {
    fail_at(node, detail::concat("filters of ", w.in_channels, " channels in ", layer.groups,
                                 " groups do not fit ", in.channels, " channels"));
  }
  if (w.out_channels % layer.groups != 0) {
    fail_at(node, detail::concat(w.out_channels, " filters do not divide into ", layer.groups,
                                 " groups"));
  }
  if (!from.channel_scales.empty()) take_channel_scales(node, from, layer);
  std::vector<double> biases = bias(node, input_or_none(node, 2), layer);
  const Shape shape =
      window_outputs(node, in, w.out_channels, w.kernel_height, w.kernel_width, layer.window);
  note(node, w.in_channels == 1 && layer.groups > 1 ? "depthwise convolution" : "convolution");
  add_pending(node, std::move(layer), shape, std::move(biases));
}

/// Of the image behind it, into the scales of filters that read one channel each.
void Importer::take_channel_scales(const Node& node, const Tensor& from, Layer& layer) {
  Weights& w = layer.weights;
  if (w.in_channels != 1) {
    fail_at(node,
            "reads codes with a scale for each channel, which only a depthwise convolution "
            "may");
  }
  const int64_t filters = w.out_channels / layer.groups;
  const auto first = static_cast<double>(from.channel_scales.front());
  std::vector<float> scales;
  for (int64_t c = 0; c < w.out_channels; ++c) {
    const auto own = static_cast<double>(from.channel_scales[static_cast<size_t>(c / filters)]);
    scales.push_back(static_cast<float>(static_cast<double>(w.scale(c)) * own / first));
  }
  w.scales = scales;
}

void Importer::linear(const Node& node, bool transposed, const std::string& bias_name) {
  const Tensor from = real(node, 0);
  Layer layer{.name = layer_name(node), .kind = LayerKind::kLinear, .src = from.activation};
  if (from.dims.size() != 1) {
    fail_at(node, detail::concat("reads ", from.dims.size() + 1,
                                 " dimensions, expected [N, features] (flatten them first)"));
  }
  weights(node, required_input(node, 1), transposed, layer);
  const int64_t features = activation(from.activation).shape.elements();
  if (layer.weights.in_channels != features) {
    fail_at(node, detail::concat("weights of ", layer.weights.in_channels, " inputs do not fit ",
                                 features, " features"));
  }
  std::vector<double> biases = bias(node, bias_name, layer);
  const Shape shape{layer.weights.out_channels, 1, 1};
  note(node, "linear");
  add_pending(node, std::move(layer), shape, std::move(biases));
}

void Importer::gemm(const Node& node) {
  expect_io(node, 3);
  Attributes attributes(node);
  const bool weights_by_output = attributes.get_flag("transB", false);
  const float alpha = attributes.get_float("alpha", 1);
  const float beta = attributes.get_float("beta", 1);
  if (attributes.get_int("transA", 0) != 0) fail_at(node, "transA is not supported");
  if (!std::isfinite(alpha) || alpha == 0 || !std::isfinite(beta)) {
    fail_at(node, "alpha and beta must be finite, and alpha other than 0");
  }
  attributes.finish();
  linear(node, !weights_by_output, input_or_none(node, 2));
  if (alpha == 1 && beta == 1) return;
  Pending& pending = *tensors_[node.output(0)].pending;
  for (float& scale : pending.layer.weights.scales) scale *= alpha;
  if (raw_bias_) return;  // QGemm: alpha scales the bias too
  for (double& value : pending.bias) {
    value *= static_cast<double>(beta) / static_cast<double>(alpha);
  }
  note(node, "scales and biases", "alpha in the weights' scales, beta in biases, rounded");
}

void Importer::matmul(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  linear(node, true, "");
}

/// Behind a convolution or product: into its scales and biases.
void Importer::batch_norm(const Node& node) {
  expect_io(node, 5);
  Attributes attributes(node);
  const auto epsilon = static_cast<double>(attributes.get_float("epsilon", 1e-5F));
  attributes.ignore("momentum");  // of training
  if (!attributes.get_flag("spatial", true)) fail_at(node, "spatial 0 is not supported");
  if (attributes.get_int("training_mode", 0) != 0) fail_at(node, "training_mode is not supported");
  attributes.finish();
  Tensor out = tensor(node, 0);
  if (out.kind == Kind::kReal || out.kind == Kind::kCodes || out.kind == Kind::kFunction) {
    return batch_norm_of_codes(node, out, epsilon);
  }
  if (out.kind != Kind::kPending || !out.pending->layer.multiplies() || out.pending->layer.relu ||
      out.pending->layer.skip >= 0 || *out.pending->holder >= 0 || !out.pending->pools.empty() ||
      std::isfinite(out.pending->low) || std::isfinite(out.pending->high)) {
    fail_at(node, "must follow a convolution or product directly");
  }
  out.pending = copied(node, *out.pending);
  Layer& layer = out.pending->layer;
  const auto channels = static_cast<size_t>(layer.weights.out_channels);
  std::vector<std::vector<float>> p;
  for (int i = 1; i <= 4; ++i) {
    p.push_back(constants_.float_list(node, required_input(node, i)));
    if (p.back().size() != channels) {
      fail_at(node, detail::concat("expected ", channels, " values, got ", p.back().size()));
    }
  }
  const auto src = static_cast<double>(activation(layer.src).scale);
  std::vector<float> scales(channels);
  for (size_t c = 0; c < channels; ++c) {
    const auto weight = static_cast<double>(layer.weights.scale(static_cast<int64_t>(c)));
    const double variance = static_cast<double>(p[3][c]) + epsilon;
    double factor = static_cast<double>(p[0][c]) / std::sqrt(variance);
    if (!(variance > 0) || !std::isfinite(factor) || !std::isfinite(p[1][c]) ||
        !std::isfinite(p[2][c])) {
      fail_at(node, detail::concat("channel ", c,
                                   " has a factor, shift, mean or variance that makes no number"));
    }
    const double shift =
        (out.pending->bias[c] * src * weight - static_cast<double>(p[2][c])) * factor +
        static_cast<double>(p[1][c]);
    // A factor of 0 leaves the shift alone: so small a scale that the sums do not count.
    if (factor == 0) factor = shift == 0 ? 1e-30 : std::abs(shift) / (src * weight * kOnlyBias);
    scales[c] = static_cast<float>(weight * factor);
    out.pending->bias[c] = shift / (src * static_cast<double>(scales[c]));
  }
  layer.weights.scales = scales;
  note(node, "scales and biases of " + layer.name, "folded; biases rounded to 32-bit units");
  set(node, out);
}

/// Behind a quantizer: a function of each channel's codes.
void Importer::batch_norm_of_codes(const Node& node, const Tensor& from, double epsilon) {
  std::vector<std::vector<float>> p;
  for (int i = 1; i <= 4; ++i) {
    p.push_back(constants_.float_list(node, required_input(node, i)));
    if (std::ssize(p.back()) != activation(from.activation).shape.channels || from.channels_last) {
      fail_at(node, detail::concat("holds ", p.back().size(), " values for ",
                                   activation(from.activation).shape.channels, " channels"));
    }
  }
  by_channel(node, from, node.input(0), [&](float x, size_t c) {
    const double deviation = std::sqrt(static_cast<double>(p[3][c]) + epsilon);
    return static_cast<float>((static_cast<double>(x) - static_cast<double>(p[2][c])) / deviation *
                                  static_cast<double>(p[0][c]) +
                              static_cast<double>(p[1][c]));
  });
}

}  // namespace flatenn::interop
