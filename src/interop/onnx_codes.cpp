#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"

/// From real values to codes and back.
namespace flatenn::interop {
namespace {

/// Values of one image in one tensor.
constexpr int64_t kMostCodes = int64_t{1} << 27;

/// As freeze has it: float(acc) + float(bias) then stays far from overflow.
constexpr int64_t kMaxBias = int64_t{1} << 30;

int64_t pool_outputs(int64_t extent, int64_t kernel, int64_t dilation, int64_t pads,
                     int64_t stride) {
  return (extent + pads - (kernel - 1) * dilation - 1) / stride + 1;
}

}  // namespace

void check_elements(const std::string& name, const Shape& shape) {
  int64_t count = 1;
  for (const int64_t extent : {shape.channels, shape.height, shape.width}) {
    FLATENN_CHECK(extent > 0 && extent <= kMostCodes / count, "tensor ", name, ": ", shape.channels,
                  "x", shape.height, "x", shape.width, " values an image are none, or more than ",
                  kMostCodes);
    count *= extent;
  }
}

int64_t Quantization::code(float value) const {
  const int64_t least = std::max(lowest(), low);
  const int64_t most = std::max<int64_t>(least, std::min(highest(), high));
  return zero_first ? quant_value(value, scale, zero_point, least, most, rounding)
                    : quantize_value(value, scale, zero_point, least, most);
}

Quantization quantization_of(const Activation& a) {
  Quantization q;
  q.scale = a.scale;
  q.zero_point = a.zero_point;
  q.bits = a.bits;
  q.is_signed = a.is_signed;
  return q;
}

Quantization Importer::quantization(const Node& node, int scale, int zero) {
  Quantization q;
  std::vector<float> scales = constants_.float_list(node, required_input(node, scale));
  for (const float one : scales) {
    if (!(one > 0) || !std::isfinite(one)) {
      fail_at(node, detail::concat("its scale must be positive, got ", one));
    }
  }
  if (scales.empty()) fail_at(node, "its scale is empty");
  q.scale = scales.front();
  const bool equal =
      std::adjacent_find(scales.begin(), scales.end(), std::not_equal_to<>()) == scales.end();
  if (!equal) q.channel_scales = scales;
  const std::string name = input_or_none(node, zero);
  if (name.empty()) return q;
  const Constant point = constants_.read(node, name);
  const CodeType type = code_type(node, point.type);
  if (point.integers.size() != scales.size() || point.dims.size() > 1) {
    fail_at(node,
            detail::concat(point.integers.size(), " zero points for ", scales.size(), " scales"));
  }
  if (std::adjacent_find(point.integers.begin(), point.integers.end(), std::not_equal_to<>()) !=
      point.integers.end()) {
    fail_at(node, "an activation has one zero point, got unequal ones for its channels");
  }
  q.zero_point = static_cast<int>(point.integers.front());
  q.bits = type.bits;
  q.is_signed = type.is_signed;
  return q;
}

bool Importer::same(const Activation& a, const Quantization& q) const {
  return !a.is_float && a.scale == q.scale && a.zero_point == q.zero_point && a.bits == q.bits &&
         a.is_signed == q.is_signed && q.channel_scales.empty();
}

int64_t Importer::add_activation(const std::string& name, const Shape& shape,
                                 const Quantization& q) {
  check_elements(name, shape);
  Activation a{.name = name,
               .shape = shape,
               .bits = q.bits,
               .is_signed = q.is_signed,
               .scale = q.scale,
               .zero_point = q.zero_point};
  network_.activations.push_back(std::move(a));
  return std::ssize(network_.activations) - 1;
}

int64_t Importer::append(Layer layer, int64_t dst) {
  layer.dst = dst;
  network_.layers.push_back(std::move(layer));
  return std::ssize(network_.layers) - 1;
}

/// The code where a limit of real values lies; the same in all channels.
int64_t Importer::limit_code(const Node& node, float limit, const Quantization& q) const {
  const auto code = [&](float scale) {
    return quantize_value(limit, scale, q.zero_point, q.lowest(), q.highest());
  };
  for (const float scale : q.channel_scales) {
    if (code(scale) != code(q.scale)) {
      fail_at(node, "clips values whose codes differ between its channels");
    }
  }
  return code(q.scale);
}

/// Channels of other scales: the difference goes into the weights' scales.
void Importer::scale_channels(const Node& node, Pending& pending, const Quantization& q) {
  Layer& layer = pending.layer;
  if (!layer.multiplies() || layer.skip >= 0) {
    fail_at(node,
            "a scale for each channel is supported behind convolutions alone, got " + layer.name);
  }
  if (std::ssize(q.channel_scales) != layer.weights.out_channels) {
    fail_at(node, detail::concat(q.channel_scales.size(), " scales for ",
                                 layer.weights.out_channels, " channels"));
  }
  std::vector<float> scales;
  for (size_t c = 0; c < q.channel_scales.size(); ++c) {
    scales.push_back(static_cast<float>(
        static_cast<double>(layer.weights.scale(static_cast<int64_t>(c))) *
        static_cast<double>(q.scale) / static_cast<double>(q.channel_scales[c])));
  }
  layer.weights.scales = scales;
}

/// Without q: as float logits.
void Importer::append_pending(const Node& node, Pending& given, const Quantization* q,
                              const std::string& name) {
  Pending pending = given;
  const Quantization own = q == nullptr ? Quantization{} : *q;
  if (own.rounding != Rounding::kHalfEven) {
    fail_at(node, std::string("rounding_mode ") + rounding_name(own.rounding) +
                      " is not supported behind a layer (expected ROUND)");
  }
  if (!own.channel_scales.empty()) scale_channels(node, pending, own);
  Layer& layer = pending.layer;
  const std::string base = layer.name;
  for (const double value : pending.bias) {
    if (!(std::abs(value) <= static_cast<double>(kMaxBias))) {
      fail_at(node, detail::concat("a bias of ", value, " units of the sums of ", base,
                                   " does not fit 32 bits"));
    }
    layer.bias.push_back(static_cast<int32_t>(std::nearbyint(value)));
  }
  if (layer.multiplies() && *pending.holder >= 0) {
    layer.twin = *pending.holder;
    layer.name += "_again";
  }
  for (int64_t n = 2; std::any_of(network_.layers.begin(), network_.layers.end(),
                                  [&](const Layer& other) { return other.name == layer.name; });
       ++n) {
    layer.name = base + "_" + std::to_string(n);
  }
  const bool limited = std::isfinite(pending.low) || std::isfinite(pending.high);
  if (q == nullptr && limited) fail_at(node, "clips float logits, which is not supported");
  if (q != nullptr) {
    layer.low = own.low;
    layer.high = own.high;
    if (std::isfinite(pending.low)) {
      layer.low = std::max(layer.low, static_cast<int>(limit_code(node, pending.low, own)));
    }
    if (std::isfinite(pending.high)) {
      layer.high = std::min(layer.high, static_cast<int>(limit_code(node, pending.high, own)));
    }
    if (layer.low > layer.high) fail_at(node, "the limits in front of it leave no code");
    if (layer.low <= own.lowest()) layer.low = INT32_MIN;
    if (layer.high >= own.highest()) layer.high = INT32_MAX;
  }
  const bool pooled = !pending.pools.empty();
  int64_t at = add_activation(pooled ? layer.name + ":values" : name, pending.shape, own);
  if (q == nullptr) activation(at).is_float = true;
  const bool holds = layer.multiplies() && layer.twin < 0;
  const int64_t index = append(std::move(layer), at);
  if (holds) *pending.holder = index;
  for (size_t i = 0; i < pending.pools.size(); ++i) {
    Layer pool = pending.pools[i];
    const Window& w = pool.window;
    const Shape in = activation(at).shape;
    const Shape out{
        in.channels,
        pool_outputs(in.height, w.kernel_height, w.dilation_height, w.top + w.bottom,
                     w.stride_height),
        pool_outputs(in.width, w.kernel_width, w.dilation_width, w.left + w.right, w.stride_width)};
    pool.src = at;
    at = add_activation(i + 1 == pending.pools.size() ? name : pool.name + ":values", out, own);
    if (q == nullptr) fail_at(node, "pools float logits, which is not supported");
    append(std::move(pool), at);
  }
}

std::vector<float> Importer::values_of(const Tensor& from) {
  if (from.kind == Kind::kFunction) return from.values;
  const Activation& a = activation(from.activation);
  std::vector<float> values;
  for (int code = a.min_code(); code <= a.max_code(); ++code) {
    values.push_back(a.scale * static_cast<float>(code - a.zero_point));
  }
  return values;
}

Tensor Importer::quantized_image(const Node& node, const Tensor& from, const Quantization& q) {
  Activation& image = activation(0);
  Tensor out = from;
  out.kind = Kind::kCodes;
  out.activation = 0;
  if (!image.name.empty()) {
    if (same(image, q) && from.image == network_.image) return out;
    fail_at(node, "quantizes the image a second time, with another scale or zero point");
  }
  if (q.low != INT32_MIN || q.high != INT32_MAX) {
    fail_at(node, "narrow codes of the image are not supported");
  }
  if (q.rounding != Rounding::kHalfEven || !q.channel_scales.empty()) {
    fail_at(node, "the image needs one scale and rounding to the nearest");
  }
  image.scale = q.scale;
  image.zero_point = q.zero_point;
  image.bits = q.bits;
  image.is_signed = q.is_signed;
  network_.image = from.image;
  return out;
}

Tensor Importer::quantized_function(const Node& node, const Tensor& from, const Quantization& q,
                                    const std::string& name) {
  const Activation source = activation(from.activation);
  Layer layer{.name = layer_name(node), .kind = LayerKind::kTable, .src = from.activation};
  std::vector<float> values = values_of(from);
  const auto levels = static_cast<size_t>(source.max_code() - source.min_code() + 1);
  if (!q.channel_scales.empty()) {
    if (std::ssize(q.channel_scales) != source.shape.channels) {
      fail_at(node, detail::concat(q.channel_scales.size(), " scales for ", source.shape.channels,
                                   " channels"));
    }
    const std::vector<float> plane = values;
    while (values.size() < levels * q.channel_scales.size()) {
      values.insert(values.end(), plane.begin(), plane.end());
    }
  }
  Quantization one = q;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      fail_at(node, "reads a function that is not a number for some codes");
    }
    if (!q.channel_scales.empty()) one.scale = q.channel_scales[i / levels];
    layer.table.push_back(static_cast<int16_t>(one.code(values[i])));
  }
  Tensor out = from;
  out.kind = Kind::kCodes;
  out.values.clear();
  out.activation = add_activation(name, source.shape, q);
  append(std::move(layer), out.activation);
  return out;
}

std::string base_name(const std::string& output) {
  constexpr std::string_view kSuffix = ":codes";
  return output.ends_with(kSuffix) ? output.substr(0, output.size() - kSuffix.size()) : output;
}

namespace {

/// Whether quantizing an activation's real values gives its own codes again.
bool keeps_codes(const Activation& a, const Quantization& q) {
  return a.scale == q.scale && a.zero_point == q.zero_point && a.is_signed == q.is_signed &&
         a.bits <= q.bits && q.low == INT32_MIN && q.high == INT32_MAX && q.channel_scales.empty();
}

}  // namespace

/// Whether the layer that writes it keeps scale and zero point.
bool Importer::is_chosen(int64_t index) const {
  return std::any_of(network_.layers.begin(), network_.layers.end(), [&](const Layer& layer) {
    return layer.dst == index && !layer.rounds() && layer.kind != LayerKind::kTable;
  });
}

Tensor Importer::quantized(const Node& node, const Tensor& from, const Quantization& q,
                           const std::string& name) {
  Tensor out = from;
  if (!q.channel_scales.empty() && (from.dims.size() != 3 || from.channels_last)) {
    fail_at(node, "a scale for each channel needs a tensor [N, C, H, W]");
  }
  out.channel_scales = q.channel_scales;
  switch (from.kind) {
    case Kind::kDropped:
      return from;
    case Kind::kImage: {
      out = quantized_image(node, from, q);
      if (activation(0).name.empty()) activation(0).name = name;
      return out;
    }
    case Kind::kReal:
      if (keeps_codes(activation(from.activation), q)) {
        // Layers that only choose codes named theirs after the real tensor.
        if (activation(from.activation).name == node.input(0) && is_chosen(from.activation) &&
            !name.ends_with(":in_codes")) {
          activation(from.activation).name = name;
        }
        out.kind = Kind::kCodes;
        return out;
      }
      note(node, "requantization");
      return quantized_function(node, out, q, name);
    case Kind::kFunction:
      return quantized_function(node, out, q, name);
    case Kind::kJoin:
      return quantized_join(node, from, q, name);
    case Kind::kPending:
      append_pending(node, *from.pending, &q, name);
      out.kind = Kind::kCodes;
      out.pending = nullptr;
      out.activation = std::ssize(network_.activations) - 1;
      return out;
    default:
      fail_at(node, "cannot quantize what it reads");
  }
}

void Importer::quantize(const Node& node) {
  expect_io(node, 3);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 1);
  attributes.ignore("saturate");  // of float8 types
  if (attributes.get_int("block_size", 0) != 0 || attributes.get_int("output_dtype", 0) != 0) {
    fail_at(node, "block_size and output_dtype are not supported");
  }
  attributes.finish();
  const Tensor from = tensor(node, 0);
  const Quantization q = quantization(node, 1, 2);
  check_channel_axis(node, from, q, axis);
  if (from.kind == Kind::kImage && !from.is_float) {
    fail_at(node, "quantizes an image of integers, expected a Cast to FLOAT in front");
  }
  set(node, quantized(node, from, q, base_name(node.output(0))));
}

void Importer::check_channel_axis(const Node& node, const Tensor& from, const Quantization& q,
                                  int64_t axis) const {
  if (q.channel_scales.empty()) return;
  const auto rank = static_cast<int64_t>(from.dims.size()) + 1;
  if (axis != 1 && axis != 1 - rank) {
    fail_at(node, detail::concat("scales along axis ", axis, " of an activation, expected 1"));
  }
}

/// The input holds codes: pixels as they are, or less 128 where it is signed.
Tensor Importer::dequantized_image(const Node& node, const Tensor& image, Quantization q) {
  Tensor from = image;
  if (!input_or_none(node, 2).empty() && q.is_signed != from.is_signed) {
    fail_at(node, "its zero point has another type than the image");
  }
  q.is_signed = from.is_signed;
  const int shift = (q.is_signed ? -128 : 0) - q.zero_point;
  from.image.factor = {q.scale};
  if (shift != 0) from.image.shift = {q.scale * static_cast<float>(shift)};
  from = quantized_image(node, from, q);
  activation(0).name = node.input(0);
  if (q.is_signed) note(node, "image", "signed codes are taken to be pixels less 128");
  return from;
}

void Importer::dequantize(const Node& node) {
  expect_io(node, 3);
  Attributes attributes(node);
  const int64_t axis = attributes.get_int("axis", 1);
  if (attributes.get_int("block_size", 0) != 0 || attributes.get_int("output_dtype", 0) != 0) {
    fail_at(node, "block_size and output_dtype are not supported");
  }
  attributes.finish();
  Tensor from = tensor(node, 0);
  if (from.kind == Kind::kDropped) return set(node, from);
  const Quantization q = quantization(node, 1, 2);
  check_channel_axis(node, from, q, axis);
  if (from.kind == Kind::kImage && !from.is_float) from = dequantized_image(node, from, q);
  if (from.kind != Kind::kCodes) fail_at(node, node.input(0) + " is not codes");
  Activation& a = activation(from.activation);
  if (!input_or_none(node, 2).empty() && a.is_signed != q.is_signed) {
    fail_at(node, "its zero point has another type than the codes");
  }
  if (a.scale == 0) {  // codes of a table that its file gives as such
    a.scale = q.scale;
    a.zero_point = q.zero_point;
  }
  if (a.scale != q.scale || a.zero_point != q.zero_point ||
      from.channel_scales != q.channel_scales) {
    fail_at(node, detail::concat("its scale or zero point differs from QuantizeLinear's (", a.scale,
                                 ", ", a.zero_point, ")"));
  }
  from.kind = Kind::kReal;
  set(node, from);
}

Tensor Importer::as_real(const Node& node, const Tensor& from, const std::string& name) {
  Tensor out = from;
  if (from.kind == Kind::kReal) return out;
  if (from.kind == Kind::kCodes) {
    fail_at(node, name + " is codes, expected real values (the output of DequantizeLinear)");
  }
  if (from.kind == Kind::kJoin) {
    const auto is_real = [](const Tensor& part) { return part.kind == Kind::kReal; };
    const bool reals = std::all_of(from.parts.begin(), from.parts.end(), is_real);
    const Quantization q =
        reals ? quantization_of(activation(from.parts.front().activation)) : Quantization{};
    for (const Tensor& part : from.parts) {
      if (!reals || !same(activation(part.activation), q)) {
        fail_at(node, name + " joins activations of unequal scales and is not quantized");
      }
    }
    out = quantized_join(node, from, q, name);
    out.kind = Kind::kReal;
    return out;
  }
  if (from.kind == Kind::kFunction) {
    const Activation a = activation(from.activation);
    const Quantization q = quantization_of(a);
    for (const float value : from.values) {
      if (a.scale * static_cast<float>(q.code(value) - a.zero_point) != value) {
        fail_at(node, name + " is not quantized (expected QuantizeLinear and DequantizeLinear " +
                          "between the activation function and this node)");
      }
    }
    out = quantized_function(node, from, q, name);
    out.kind = Kind::kReal;
    return out;
  }
  fail_at(node, name + " is not quantized (expected the output of DequantizeLinear; quantize the " +
                    "network first, for instance with ONNX Runtime's quantize_static)");
}

/// Input `index` as an activation that layers can read.
Tensor Importer::real(const Node& node, int index) {
  const std::string name = required_input(node, index);
  Tensor out = as_real(node, tensor(node, index), name);
  tensors_[name] = out;
  return out;
}

}  // namespace flatenn::interop
