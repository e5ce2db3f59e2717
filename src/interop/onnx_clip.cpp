#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "interop/onnx_importer.h"

/// Clip: of an image, of codes, of what a layer computes.
namespace flatenn::interop {

/// A limit of the type of what it limits.
float Importer::clip_limit(const Node& node, int index, const Tensor& in) const {
  const std::string& name = node.input(index);
  if (in.kind != Kind::kCodes) return constants_.scalar(node, name);
  const Constant limit = constants_.read(node, name);
  const Activation& a = network_.activations[static_cast<size_t>(in.activation)];
  if (limit.is_float || limit.integers.size() != 1 || limit.dequantized() ||
      code_type(node, limit.type).is_signed != a.is_signed) {
    fail_at(node, name + " must be one number of the codes' type");
  }
  return static_cast<float>(limit.integers.front());
}

/// Clip of codes says how many bits they have; of real values it limits them.
void Importer::clip(const Node& node) {
  expect_io(node, 3);
  const Tensor in = tensor(node, 0);
  Attributes attributes(node);
  float low = attributes.get_float("min", -INFINITY);
  float high = attributes.get_float("max", INFINITY);
  attributes.finish();
  if (!input_or_none(node, 1).empty()) low = clip_limit(node, 1, in);
  if (!input_or_none(node, 2).empty()) high = clip_limit(node, 2, in);
  if (std::isnan(low) || std::isnan(high) || low > high) fail_at(node, "its limits make no range");
  if (in.kind != Kind::kCodes) {
    clip_values(node, low, high);
    return;
  }
  if (static_cast<float>(activation(in.activation).min_code()) >= low &&
      static_cast<float>(activation(in.activation).max_code()) <= high) {
    note(node, "nothing");
    return set(node, in);
  }
  if (readers_[node.input(0)] != 1) fail_at(node, node.input(0) + " is also read without the clip");
  Layer* writer = nullptr;
  for (Layer& layer : network_.layers) {
    if (layer.dst == in.activation) writer = &layer;
  }
  Activation& a = activation(in.activation);
  const bool is_table = writer != nullptr && writer->kind == LayerKind::kTable;
  const auto zero = static_cast<float>(a.zero_point);
  if (a.scale != 0 && (zero < low || zero > high)) {
    fail_at(node, detail::concat("zero point ", a.zero_point, " is outside ", low, "..", high));
  }
  Activation narrower = a;
  const bool narrows = writer == nullptr || writer->rounds() || is_table;
  for (narrower.bits = 2; narrower.bits <= 8 && narrows; ++narrower.bits) {
    if (static_cast<float>(narrower.min_code()) == low &&
        static_cast<float>(narrower.max_code()) == high) {
      a = narrower;
      if (a.name == node.input(0)) a.name = node.output(0);
      if (is_table) {
        for (int16_t& code : writer->table) {
          code = static_cast<int16_t>(std::clamp<int>(code, a.min_code(), a.max_code()));
        }
      }
      note(node, detail::concat(narrower.bits, " bits of ", a.name));
      return set(node, in);
    }
  }
  if (writer == nullptr || !writer->rounds()) {
    clip_codes(node, in, low, high);
    return;
  }
  writer->low = std::max(writer->low, static_cast<int>(std::max(low, -1e6F)));
  writer->high = std::min(writer->high, static_cast<int>(std::min(high, 1e6F)));
  if (writer->low > writer->high) fail_at(node, "its limits leave no code");
  Activation limited = a;
  for (limited.bits = 2; limited.bits < 8; ++limited.bits) {
    const bool holds_zero =
        a.zero_point >= limited.min_code() && a.zero_point <= limited.max_code();
    if (holds_zero && static_cast<float>(limited.min_code()) <= low &&
        static_cast<float>(limited.max_code()) >= high) {
      break;
    }
  }
  if (limited.bits < a.bits) a = limited;
  if (writer->low <= a.min_code()) writer->low = INT32_MIN;
  if (writer->high >= a.max_code()) writer->high = INT32_MAX;
  if (a.name == node.input(0)) a.name = node.output(0);
  note(node, "limits of the codes of " + writer->name);
  set(node, in);
}

/// Codes of the image, or that a layer only chose: a table of their own.
void Importer::clip_codes(const Node& node, const Tensor& in, float low, float high) {
  const Activation a = activation(in.activation);
  Quantization q = quantization_of(a);
  q.low = static_cast<int>(std::max(low, -1e6F));
  q.high = static_cast<int>(std::min(high, 1e6F));
  Tensor real = in;
  real.kind = Kind::kReal;
  note(node, "table of codes");
  set(node, quantized_function(node, real, q, base_name(node.output(0))));
}

}  // namespace flatenn::interop
