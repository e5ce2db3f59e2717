#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"

/// QONNX's operators on activations: each quantizes and dequantizes in one.
namespace flatenn::interop {
namespace {

/// The fewest bits, at least 2, that hold both codes.
int bits_for(float low, float high, bool is_signed) {
  int bits = 2;
  const auto fits = [&] {
    const float least = is_signed ? -std::ldexp(1.0F, bits - 1) : 0;
    const float most = std::ldexp(1.0F, is_signed ? bits - 1 : bits) - 1;
    return low >= least && high <= most;
  };
  while (bits < 16 && !fits()) ++bits;
  return bits;
}

}  // namespace

Quantization Importer::quant_inputs(const Node& node, const QuantSettings& settings, int scale,
                                    int zero, int bits) {
  Quantization q;
  std::vector<float> scales = constants_.floats(node, required_input(node, scale));
  for (const float one : scales) {
    if (!(one > 0) || !std::isfinite(one)) {
      fail_at(node, detail::concat("its scale must be positive, got ", one));
    }
  }
  if (scales.empty()) fail_at(node, "its scale is empty");
  q.scale = scales.front();
  if (scales.size() > 1) {
    const std::vector<int64_t> dims = constants_.find(node.input(scale))->dims;
    if (!lies_by_channel(dims, tensor(node, 0))) {
      fail_at(node, "its scales do not lie along the channels");
    }
    q.channel_scales = scales;
  }
  q.zero_point = static_cast<int>(
      whole_number(node, "a zero point", constants_.scalar(node, required_input(node, zero))));
  const int64_t width =
      whole_number(node, "a bit width", constants_.scalar(node, required_input(node, bits)));
  if (width < 1 || width > 8) {
    fail_at(node, detail::concat("a bit width of ", width, " is not supported (expected 1 to 8)"));
  }
  q.is_signed = settings.is_signed;
  q.rounding = settings.rounding;
  q.zero_first = true;
  q.bits = static_cast<int>(width);
  const int lowest = q.lowest() + (settings.narrow && q.is_signed ? 1 : 0);
  const int highest = q.highest() - (settings.narrow && !q.is_signed ? 1 : 0);
  if (q.zero_point < lowest || q.zero_point > highest) {
    fail_at(node,
            detail::concat("its zero point ", q.zero_point, " is outside ", lowest, "..", highest));
  }
  if (width == 1 || settings.narrow) {
    q.low = lowest;
    q.high = highest;
  }
  q.bits = std::max(q.bits, 2);
  return q;
}

void Importer::quant(const Node& node) {
  expect_io(node, 4);
  const Quantization q = quant_inputs(node, quant_settings(node), 1, 2, 3);
  Tensor out = quantized(node, tensor(node, 0), q, node.output(0));
  if (out.kind == Kind::kCodes) out.kind = Kind::kReal;
  set(node, out);
}

/// Plus or minus the scale, by the sign. Behind a layer: one code below and one from zero on, so
/// small a scale that sums other than 0 reach them, and a table.
void Importer::bipolar_quant(const Node& node) {
  expect_io(node, 2);
  Attributes(node).finish();
  Tensor from = tensor(node, 0);
  if (from.kind == Kind::kDropped) return set(node, from);
  Quantization signs;
  signs.scale = constants_.scalar(node, required_input(node, 1));
  if (!(signs.scale > 0) || !std::isfinite(signs.scale)) {
    fail_at(node, detail::concat("its scale must be positive, got ", signs.scale));
  }
  signs.bits = 2;
  signs.is_signed = true;
  if (from.kind == Kind::kPending) {
    Pending pending = *from.pending;
    if (pending.layer.skip >= 0) fail_at(node, "the sign of a sum with a skip is not supported");
    Quantization steps;
    steps.zero_point = 1;
    steps.bits = 2;
    steps.low = 0;
    steps.high = 1;
    steps.scale = 1e-20F;
    if (pending.layer.multiplies()) {
      const float src = activation(pending.layer.src).scale;
      for (size_t c = 0; c < pending.bias.size(); ++c) {
        const float unit = src * pending.layer.weights.scale(static_cast<int64_t>(c));
        // n + bias >= 0 of whole n.
        pending.bias[c] = unit > 0 ? std::floor(pending.bias[c]) : std::ceil(pending.bias[c]);
        steps.scale = c == 0 ? std::abs(unit) : std::min(steps.scale, std::abs(unit));
      }
    }
    from.pending = std::make_shared<Pending>(pending);
    from = quantized(node, from, steps, node.output(0) + ":steps");
    from.values = {-1, 1, 1, 1};
    from.kind = Kind::kFunction;
  } else {
    if (from.kind != Kind::kReal && from.kind != Kind::kFunction) {
      fail_at(node, "takes the sign of what is no layer's result");
    }
    from.values = values_of(from);
    from.kind = Kind::kFunction;
    for (float& value : from.values) value = value >= 0 ? 1.0F : -1.0F;
  }
  for (float& value : from.values) value *= signs.scale;
  Tensor out = quantized_function(node, from, signs, node.output(0));
  out.kind = Kind::kReal;
  note(node, "signs");
  set(node, out);
}

/// Codes without their lowest bits. Behind an average pool its sums are codes of at most 8 bits
/// first, which is exact.
void Importer::trunc(const Node& node) {
  const bool second = node.input_size() == 6;  // version 2
  expect_io(node, 6);
  const QuantSettings settings = quant_settings(node, "FLOOR");
  const float scale = constants_.scalar(node, required_input(node, 1));
  const float zero = constants_.scalar(node, required_input(node, 2));
  const int64_t in_bits =
      whole_number(node, "a bit width", constants_.scalar(node, required_input(node, 3)));
  const int64_t out_bits = whole_number(
      node, "a bit width", constants_.scalar(node, required_input(node, second ? 5 : 4)));
  const float out_scale = second ? constants_.scalar(node, required_input(node, 4)) : scale;
  for (const float one : {scale, out_scale}) {
    if (!(one > 0) || !std::isfinite(one)) {
      fail_at(node, detail::concat("its scale must be positive, got ", one));
    }
  }
  if (zero != 0) fail_at(node, "a zero point other than 0 is not supported");
  if (out_bits < 1 || out_bits > 8 || in_bits < out_bits || in_bits > 32) {
    fail_at(node, detail::concat("cuts ", in_bits, " bits to ", out_bits,
                                 ", which is not supported (expected at most 8)"));
  }
  Tensor from = tensor(node, 0);
  if (from.kind == Kind::kPending && from.pending->layer.kind == LayerKind::kAvgPool) {
    const Activation& a = activation(from.pending->layer.src);
    const float least =
        std::nearbyint(a.scale * static_cast<float>(a.min_code() - a.zero_point) / scale);
    const float most =
        std::nearbyint(a.scale * static_cast<float>(a.max_code() - a.zero_point) / scale);
    Quantization sums;
    sums.scale = scale;
    sums.is_signed = least < 0;
    sums.bits = bits_for(least, most, sums.is_signed);
    if (sums.bits > 8)
      fail_at(node, "reads an average of more than 8 bits, which is not supported");
    from = quantized(node, from, sums, node.output(0) + ":sums");
    from.kind = Kind::kReal;
  }
  if (from.kind != Kind::kReal && from.kind != Kind::kFunction) {
    fail_at(node, "behind anything but an average pool or codes is not supported");
  }
  const float step = second ? std::exp2(std::nearbyint(std::log2(out_scale / scale)))
                            : std::ldexp(1.0F, static_cast<int>(in_bits - out_bits));
  std::vector<float> codes;
  for (const float value : values_of(from)) {
    codes.push_back(rounded(std::nearbyint(value / scale) / step, settings.rounding));
  }
  const auto [low, high] = std::minmax_element(codes.begin(), codes.end());
  Quantization q;
  q.scale = out_scale;
  q.is_signed = second ? settings.is_signed : *low < 0;
  q.bits = static_cast<int>(out_bits);
  if (second) {
    q.low = q.lowest() + (settings.narrow && q.is_signed ? 1 : 0);
    q.high = q.highest() - (settings.narrow && !q.is_signed ? 1 : 0);
  } else if (bits_for(*low, *high, q.is_signed) > std::max(q.bits, 2)) {
    fail_at(node,
            detail::concat("codes from ", *low, " to ", *high, " do not fit ", out_bits, " bits"));
  }
  q.bits = std::max(q.bits, 2);
  for (float& code : codes) code *= out_scale;
  from.values = codes;
  from.kind = Kind::kFunction;
  Tensor out = quantized_function(node, from, q, node.output(0));
  out.kind = Kind::kReal;
  note(node, "table of codes");
  set(node, out);
}

/// How many thresholds a value reaches, on codes.
void Importer::multi_threshold(const Node& node) {
  expect_io(node, 2);
  Attributes attributes(node);
  const std::string type = attributes.get_string("out_dtype", "");
  const float out_scale = attributes.get_float("out_scale", 1);
  const float out_bias = attributes.get_float("out_bias", 0);
  const std::string layout = attributes.get_string("data_layout", "");
  attributes.finish();
  const Tensor from = tensor(node, 0);
  if (from.kind != Kind::kReal && from.kind != Kind::kFunction) {
    fail_at(node,
            "thresholds of what is not quantized are not supported (export the network "
            "before such thresholds are made, with Quant)");
  }
  const Constant thresholds = constants_.read(node, required_input(node, 1));
  const Activation a = activation(from.activation);
  const bool fits = thresholds.is_float && thresholds.dims.size() == 2 && thresholds.dims[1] > 0 &&
                    (thresholds.dims[0] == 1 || thresholds.dims[0] == a.shape.channels);
  if (!fits || thresholds.dims[1] > 255 || from.channels_last || layout == "NHWC") {
    fail_at(node, "its thresholds must be [1 or channels, at most 255] along axis 1");
  }
  // out_scale * n + out_bias = scale * (factor * n - zero); half a step where it must be.
  Quantization q;
  q.scale = out_scale;
  float factor = 1;
  if (std::nearbyint(out_bias / q.scale) != out_bias / q.scale) {
    q.scale = out_scale / 2;
    factor = 2;
  }
  const float zero = -out_bias / q.scale;
  const auto most = static_cast<float>(thresholds.dims[1]) * factor;
  q.is_signed = factor == 2;  // codes around zero
  const float shift = q.is_signed ? zero : 0;
  q.bits = bits_for(-shift, most - shift, q.is_signed);
  if (!(out_scale > 0) || !std::isfinite(zero) || zero != std::nearbyint(zero) || q.bits > 8 ||
      zero - shift < 0 || zero - shift > static_cast<float>(q.highest())) {
    fail_at(node, detail::concat("out_scale ", out_scale, " and out_bias ", out_bias,
                                 " make no codes of at most 8 bits (", type, ")"));
  }
  q.zero_point = static_cast<int>(zero - shift);
  const int64_t count = thresholds.dims[1];
  by_channel(node, from, node.input(0), [&](float x, size_t channel) {
    const size_t row = thresholds.dims[0] == 1 ? 0 : channel;
    const float* first = thresholds.floats.data() + row * static_cast<size_t>(count);
    const auto reached = static_cast<float>(
        std::count_if(first, first + count, [&](float threshold) { return x >= threshold; }));
    return q.scale * (factor * reached - shift - static_cast<float>(q.zero_point));
  });
  Tensor out = quantized_function(node, tensors_.at(node.output(0)), q, node.output(0));
  out.kind = Kind::kReal;
  set(node, out);
}

}  // namespace flatenn::interop
