#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/tflite_importer.h"

/// What multiplies weights or pools.
namespace flatenn::interop {
namespace {

/// The interpreter takes biases as integers and never reads their scale, so that one which is off
/// by more than rounding means another network than the file says.
constexpr double kBiasScaleError = 1e-3;

/// Bytes in blocks of [area, channels] as ones in blocks of [channels, area].
std::vector<int8_t> in_planes(std::span<const uint8_t> bytes, size_t channels, size_t area) {
  std::vector<int8_t> result;
  result.reserve(bytes.size());
  for (size_t block = 0; block < bytes.size(); block += channels * area) {
    for (size_t c = 0; c < channels; ++c) {
      for (size_t p = 0; p < area; ++p) {
        result.push_back(static_cast<int8_t>(bytes[block + p * channels + c]));
      }
    }
  }
  return result;
}

/// Padding of one axis that makes ceil(extent / stride) outputs; the odd one comes last.
struct SamePad {
  int64_t before = 0;
  int64_t after = 0;
};
SamePad same_pad(int64_t extent, int64_t reach, int64_t stride) {
  const int64_t outputs = (extent + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((outputs - 1) * stride + reach - extent, 0);
  return {.before = total / 2, .after = total - total / 2};
}

std::vector<int64_t> dims_of(const Shape& shape) {
  return {shape.height, shape.width, shape.channels};
}

}  // namespace

TfliteView TfliteImporter::plane(const Op& op, size_t index) {
  const View& from = view(op, index);
  if (from.dims.size() != 3) {
    fail(op, detail::concat("expected rows, columns and channels, got ", from.dims.size() + 1,
                            " dimensions"));
  }
  return from.padded ? from : aligned(op, index);
}

/// Extents of the output; fills in the padding. Stride, dilation and kernel are there already.
Shape TfliteImporter::window(const Op& op, const View& src, tflite::Padding padding,
                             Layer& layer) const {
  Window& w = layer.window;
  const auto fits = [](int64_t step) { return step >= 1 && step <= 1 << 16; };
  if (!fits(w.stride_height) || !fits(w.stride_width) || !fits(w.dilation_height) ||
      !fits(w.dilation_width) || !fits(w.kernel_height) || !fits(w.kernel_width)) {
    fail(op, detail::concat("kernel ", w.kernel_height, "x", w.kernel_width, ", stride ",
                            w.stride_height, "x", w.stride_width, " and dilation ",
                            w.dilation_height, "x", w.dilation_width, " make no window"));
  }
  w.top = src.pads.top;
  w.left = src.pads.left;
  w.bottom = src.pads.bottom;
  w.right = src.pads.right;
  const Shape& in = activation(src.activation).shape;
  const int64_t reach_h = (w.kernel_height - 1) * w.dilation_height + 1;
  const int64_t reach_w = (w.kernel_width - 1) * w.dilation_width + 1;
  if (padding == tflite::Padding_SAME) {
    const SamePad rows = same_pad(in.height + w.top + w.bottom, reach_h, w.stride_height);
    const SamePad columns = same_pad(in.width + w.left + w.right, reach_w, w.stride_width);
    w.top += rows.before;
    w.bottom += rows.after;
    w.left += columns.before;
    w.right += columns.after;
  } else if (padding != tflite::Padding_VALID) {
    fail(op, detail::concat("padding ", static_cast<int>(padding), " is neither SAME nor VALID"));
  }
  const int64_t rows = in.height + w.top + w.bottom - reach_h;
  const int64_t columns = in.width + w.left + w.right - reach_w;
  if (rows < 0 || columns < 0) {
    fail(op, detail::concat("its kernel of ", reach_h, "x", reach_w, " is larger than its input"));
  }
  return {in.channels, rows / w.stride_height + 1, columns / w.stride_width + 1};
}

const TfliteTensor& TfliteImporter::filter(const Op& op, int64_t rank) const {
  const TfliteTensor& from = constant(op, 1, "filter");
  if (!from.is_codes()) {
    fail(op, "filter " + from.name + " is " + type_name(from.type) + ", expected INT8 or UINT8");
  }
  if (from.scales.empty()) fail(op, "filter " + from.name + " has no scale");
  if (std::ssize(from.dims) != rank || from.elements() < 1) {
    fail(op, detail::concat("filter ", from.name, " has ", from.dims.size(),
                            " dimensions, expected ", rank, ", none of them empty"));
  }
  return from;
}

/// Codes, scales and zero points; the extents of layer.weights are there already. Theirs lie in
/// blocks of [area, channels], ours of [channels, area].
void TfliteImporter::weights(const Op& op, const TfliteTensor& from, int64_t channels, int64_t area,
                             Layer& layer) {
  Weights& w = layer.weights;
  const bool is_signed = from.type == tflite::TensorType_INT8;
  const int64_t shift = is_signed ? 0 : 128;  // unsigned words are offset binary of signed codes
  w.bits = options_.weight_bits > 0 ? options_.weight_bits : 8;
  const int64_t least = -(int64_t{1} << (w.bits - 1));
  if (w.bits < 2) fail(op, "weights of 1 bit are not what the format's int8 holds");
  spend(op, w.elements());
  w.codes = in_planes(from.data, static_cast<size_t>(channels), static_cast<size_t>(area));
  for (int8_t& word : w.codes) {
    if (!is_signed) word = static_cast<int8_t>(word ^ INT8_MIN);
    if (word < least || word >= -least) {
      fail(op, detail::concat("weight code ", int{word}, " does not fit ", w.bits, " bits"));
    }
  }
  w.scales = from.scales;
  for (const int64_t zero : from.zero_points) {
    w.zero_points.push_back(static_cast<int>(zero - shift));
    // Its kernels leave these out, so that there is no telling what such a file means.
    if (is_signed && zero != 0 && (op.op != "FULLY_CONNECTED" || from.scales.size() > 1)) {
      fail(op,
           detail::concat("filter ", from.name, " is int8 with zero point ", zero, ", expected 0"));
    }
  }
  if (!is_signed && from.scales.size() > 1) {
    fail(op, "filter " + from.name + " is uint8 with scales by channel, expected one");
  }
  if (std::all_of(w.zero_points.begin(), w.zero_points.end(), [](int z) { return z == 0; })) {
    w.zero_points.clear();
  }
  if (!is_signed) network_.metadata.emplace("encoding", "offset_binary");
}

void TfliteImporter::bias(const Op& op, const Activation& src, Layer& layer) {
  const auto channels = static_cast<size_t>(layer.weights.out_channels);
  if (op.inputs.size() < 3 || op.inputs[2] < 0) {
    layer.bias.assign(channels, 0);
    return;
  }
  const TfliteTensor& from = constant(op, 2, "bias");
  if (from.type != tflite::TensorType_INT32 || from.elements() != layer.weights.out_channels ||
      (from.scales.size() > 1 && from.elements() != std::ssize(from.scales))) {
    fail(op, detail::concat("bias ", from.name, " is ", from.elements(), " ", type_name(from.type),
                            ", expected ", channels, " INT32"));
  }
  for (size_t c = 0; c < from.scales.size(); ++c) {
    const double product = static_cast<double>(src.scale) *
                           static_cast<double>(layer.weights.scale(static_cast<int64_t>(c)));
    if (std::abs(static_cast<double>(from.scales[c]) - product) > kBiasScaleError * product) {
      fail(op, detail::concat("bias ", from.name, " has scale ", from.scales[c],
                              ", but input times filter is ", product));
    }
  }
  for (size_t c = 0; c < channels; ++c) {
    layer.bias.push_back(static_cast<int32_t>(from.integer(static_cast<int64_t>(c))));
  }
}

/// The interpreter multiplies two scales in double, and where there is only one filter scale for
/// a kernel of the older kind, in float.
void TfliteImporter::factors(const Op& op, const Activation& src, const Activation& dst,
                             bool legacy, Layer& layer) const {
  layer.requantization = op.op == "FULLY_CONNECTED" ? net::Requantization::kFixedPointOnce
                                                    : net::Requantization::kFixedPoint;
  for (const float scale : layer.weights.scales) {
    const double product = legacy ? static_cast<double>(src.scale * scale)
                                  : static_cast<double>(src.scale) * static_cast<double>(scale);
    const double real = product / static_cast<double>(dst.scale);
    if (!std::isfinite(real) || real >= 0x1p30) {
      fail(op, detail::concat("its scales make a factor of ", real));
    }
    layer.factors.push_back(net::fixed_point(real));
  }
}

namespace {

const char* became(const Layer& layer) {
  if (layer.kind == LayerKind::kLinear) return "linear";
  const bool depthwise = layer.groups > 1 && layer.weights.in_channels == 1;
  return depthwise ? "depthwise convolution" : "convolution";
}

}  // namespace

void TfliteImporter::finish(const Op& op, const View& src, tflite::ActivationFunctionType function,
                            const Shape& shape, std::vector<int64_t> dims, bool legacy,
                            Layer layer) {
  layer.src = src.activation;
  const Activation& from = activation(src.activation);
  Activation dst = described(op, output(op));
  dst.shape = shape;
  bias(op, from, layer);
  factors(op, from, dst, legacy, layer);
  limit(op, function, dst, layer);
  note(op, became(layer));
  append(op, std::move(layer), std::move(dst), std::move(dims));
}

void TfliteImporter::conv(const Op& op) {
  expect_io(op, 2, 3);
  const auto* options = op.table->builtin_options_as_Conv2DOptions();
  if (options == nullptr) fail(op, "has no Conv2DOptions");
  const View src = plane(op, 0);
  const TfliteTensor& from = filter(op, 4);
  Layer layer;
  Weights& w = layer.weights;
  w.out_channels = from.dims[0];
  w.kernel_height = layer.window.kernel_height = from.dims[1];
  w.kernel_width = layer.window.kernel_width = from.dims[2];
  w.in_channels = from.dims[3];
  const int64_t channels = activation(src.activation).shape.channels;
  if (channels % w.in_channels != 0) {
    fail(op, detail::concat("filters of ", w.in_channels, " channels do not fit ", channels));
  }
  layer.groups = channels / w.in_channels;
  layer.window.stride_height = options->stride_h();
  layer.window.stride_width = options->stride_w();
  layer.window.dilation_height = options->dilation_h_factor();
  layer.window.dilation_width = options->dilation_w_factor();
  if (from.scales.size() > 1 && from.axis != 0) {
    fail(op, "filter " + from.name + " has scales along another axis than its outputs");
  }
  Shape shape = window(op, src, options->padding(), layer);
  shape.channels = w.out_channels;
  const int64_t area = w.kernel_height * w.kernel_width;
  weights(op, from, w.in_channels, area, layer);
  layer.window.kernel_height = layer.window.kernel_width = 1;
  finish(op, src, options->fused_activation_function(), shape, dims_of(shape),
         from.type == tflite::TensorType_UINT8, std::move(layer));
}

void TfliteImporter::depthwise(const Op& op) {
  expect_io(op, 2, 3);
  const auto* options = op.table->builtin_options_as_DepthwiseConv2DOptions();
  if (options == nullptr) fail(op, "has no DepthwiseConv2DOptions");
  const View src = plane(op, 0);
  const TfliteTensor& from = filter(op, 4);
  const int64_t channels = activation(src.activation).shape.channels;
  Layer layer{.name = {}, .groups = channels};
  Weights& w = layer.weights;
  w.out_channels = from.dims[3];
  w.in_channels = 1;
  w.kernel_height = layer.window.kernel_height = from.dims[1];
  w.kernel_width = layer.window.kernel_width = from.dims[2];
  if (from.dims[0] != 1 || w.out_channels % channels != 0) {
    fail(op, detail::concat("a filter of ", from.dims[0], "x", w.out_channels, " does not fit ",
                            channels, " channels"));
  }
  // The interpreter divides as we do; files say 0 where they leave it to that.
  if (options->depth_multiplier() != 0 &&
      options->depth_multiplier() != w.out_channels / channels) {
    fail(op, detail::concat("says depth multiplier ", options->depth_multiplier(), ", but makes ",
                            w.out_channels, " of ", channels, " channels"));
  }
  layer.window.stride_height = options->stride_h();
  layer.window.stride_width = options->stride_w();
  layer.window.dilation_height = options->dilation_h_factor();
  layer.window.dilation_width = options->dilation_w_factor();
  if (from.scales.size() > 1 && from.axis != 3) {
    fail(op, "filter " + from.name + " has scales along another axis than its outputs");
  }
  Shape shape = window(op, src, options->padding(), layer);
  shape.channels = w.out_channels;
  const int64_t area = w.kernel_height * w.kernel_width;
  weights(op, from, w.out_channels, area, layer);
  layer.window.kernel_height = layer.window.kernel_width = 1;
  finish(op, src, options->fused_activation_function(), shape, dims_of(shape),
         from.type == tflite::TensorType_UINT8, std::move(layer));
}

/// A product with the whole image, or with each row of channels (then a 1x1 convolution).
void TfliteImporter::fully_connected(const Op& op) {
  expect_io(op, 2, 3);
  const auto* options = op.table->builtin_options_as_FullyConnectedOptions();
  if (options == nullptr) fail(op, "has no FullyConnectedOptions");
  if (options->weights_format() != 0) fail(op, "has shuffled weights, which is not supported");
  const TfliteTensor& from = filter(op, 2);
  View src = codes(op, 0);
  Layer layer;
  Weights& w = layer.weights;
  w.out_channels = from.dims[0];
  w.in_channels = from.dims[1];
  if (from.scales.size() > 1 && from.axis != 0) {
    fail(op, "filter " + from.name + " has scales along another axis than its outputs");
  }
  const Shape old = activation(src.activation).shape;
  std::vector<int64_t> dims{w.out_channels};
  if (options->keep_num_dims() && !src.dims.empty()) {
    dims = src.dims;
    dims.back() = w.out_channels;
  }
  Shape shape{w.out_channels, 1, 1};
  if (old.elements() == w.in_channels && plane_of(dims).elements() == w.out_channels) {
    layer.kind = LayerKind::kLinear;
    weights(op, from, old.channels, old.height * old.width, layer);
  } else {
    src = aligned(op, 0);
    if (!options->keep_num_dims() || src.dims.empty() || src.dims.back() != w.in_channels) {
      fail(op,
           detail::concat("takes ", w.in_channels, " inputs, but an image has ", old.elements()));
    }
    shape = plane_of(dims);
    weights(op, from, w.in_channels, 1, layer);
  }
  finish(op, src, options->fused_activation_function(), shape, std::move(dims),
         from.scales.size() == 1, std::move(layer));
}

void TfliteImporter::pool(const Op& op) {
  expect_io(op, 1, 1);
  const auto* options = op.table->builtin_options_as_Pool2DOptions();
  if (options == nullptr) fail(op, "has no Pool2DOptions");
  const View src = plane(op, 0);
  const Activation from = activation(src.activation);
  expect_same_codes(op, from);
  const bool average = op.op == "AVERAGE_POOL_2D";
  Layer layer{.name = {},
              .kind = average ? LayerKind::kAvgPool : LayerKind::kMaxPool,
              .src = src.activation};
  layer.window.kernel_height = options->filter_height();
  layer.window.kernel_width = options->filter_width();
  layer.window.stride_height = options->stride_h();
  layer.window.stride_width = options->stride_w();
  const Shape shape = window(op, src, options->padding(), layer);
  if (src.padded && average) {
    const Window& w = layer.window;
    if (w.top != src.pads.top || w.left != src.pads.left || w.bottom != src.pads.bottom ||
        w.right != src.pads.right) {
      fail(op, "averages over padding of its own and over what PAD made, which is not supported");
    }
    layer.count_padding = true;
  }
  if (src.padded && !average && from.zero_point != from.min_code()) {
    fail(op, "takes the largest of what PAD made, whose zeros are not the lowest code");
  }
  Activation dst = described(op, output(op));
  dst.shape = shape;
  if (average) layer.requantization = net::Requantization::kFixedPoint;
  limit(op, options->fused_activation_function(), dst, layer);
  if (!average && (layer.relu || layer.low != INT32_MIN || layer.high != INT32_MAX) &&
      !(layer.high == INT32_MAX && dst.zero_point == dst.min_code())) {
    fail(op, "a fused activation of MAX_POOL_2D is not supported");
  }
  if (!average) layer.relu = false;
  note(op, average ? "average pool" : "max-pool");
  append(op, std::move(layer), std::move(dst), dims_of(shape));
}

/// An average over rows, columns or both, with the count inside the factor.
void TfliteImporter::mean(const Op& op) {
  expect_io(op, 2, 2);
  const auto* options = op.table->builtin_options_as_ReducerOptions();
  if (options == nullptr) fail(op, "has no ReducerOptions");
  const View src = aligned(op, 0);
  const int64_t rank = std::ssize(src.dims) + 1;
  std::vector<bool> reduced(static_cast<size_t>(rank), false);
  for (const int64_t given : integers(op, 1, "axes")) {
    const int64_t axis = given < 0 ? given + rank : given;
    if (axis < 1 || axis >= rank - 1) {
      fail(op, detail::concat("averages over axis ", given,
                              ", expected rows or columns (not batch or channels)"));
    }
    reduced[static_cast<size_t>(axis)] = true;
  }
  Layer layer{.name = {}, .kind = LayerKind::kAvgPool, .src = src.activation};
  const Activation& from = activation(src.activation);
  Shape shape = from.shape;
  std::vector<int64_t> dims;
  int64_t count = 1;
  for (int64_t axis = 1; axis < rank; ++axis) {
    const int64_t extent = src.dims[static_cast<size_t>(axis - 1)];
    if (!reduced[static_cast<size_t>(axis)]) {
      dims.push_back(extent);
      continue;
    }
    if (options->keep_dims()) dims.push_back(1);
    count *= extent;
    (axis == 1 ? layer.window.kernel_height : layer.window.kernel_width) = extent;
    (axis == 1 ? shape.height : shape.width) = 1;
  }
  Activation dst = described(op, output(op));
  dst.shape = shape;
  layer.requantization = net::Requantization::kFixedPoint;
  const net::FixedPoint whole =
      net::fixed_point(static_cast<double>(from.scale) / static_cast<double>(dst.scale));
  // The interpreter divides the multiplier, rounding down, and keeps as many bits as it can.
  int32_t bits = 0;
  while (bits < 32 && bits < 31 + whole.shift && count >> (bits + 1) != 0) ++bits;
  layer.factors = {{.multiplier = static_cast<int32_t>((int64_t{whole.multiplier} << bits) / count),
                    .shift = whole.shift - bits}};
  note(op, "avg-pool");
  append(op, std::move(layer), std::move(dst), std::move(dims));
}

}  // namespace flatenn::interop
