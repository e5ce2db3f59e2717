#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flatenn/net/fixed_point.h"

/// The frozen integer network: what an accelerator stores and computes, free of any training
/// library.
namespace flatenn::net {

enum class LayerKind {
  kConv,     ///< Grouped 2-d convolution; padding is the input's zero point.
  kLinear,   ///< Matrix product; reads its input flattened in CHW order.
  kMaxPool,  ///< On codes; scale and zero point unchanged, padding never wins.
  kAvgPool,  ///< Sums codes exactly, rounds once to the output's codes.
  kAdd,      ///< Sum of two activations, element by element (the second may be [C, 1, 1]).
  kMul,      ///< Product of two activations, likewise.
  kConcat,   ///< Channels of several activations of one scale and zero point, one after another.
  kTable,    ///< Any function of one code, by a table of codes.
  kMove,     ///< The same codes in another order or shape.
};
/// As tables, files and notebooks call it: "conv", "max-pool".
const char* kind_name(LayerKind kind);

/// How a stored code k becomes the integer v that multiplies.
enum class ValueMap {
  kCode,  ///< v = k
  kOdd,   ///< v = 2k + 1 (the liq quantizer, which has no zero level; at most 7 bits)
};

struct Shape {
  int64_t channels = 0;
  int64_t height = 1;
  int64_t width = 1;
  int64_t elements() const { return channels * height * width; }
  bool operator==(const Shape&) const = default;
};

/// A tensor that flows between layers, for one image.
struct Activation {
  std::string name;
  Shape shape;
  int bits = 8;  ///< Unsigned codes in [0, 2^bits - 1], or signed in [-2^(bits-1), 2^(bits-1) - 1].
  bool is_signed = false;
  float scale = 1;        ///< A code k stands for scale * (k - zero_point).
  int zero_point = 0;     ///< One of the codes.
  bool is_float = false;  ///< Logits: float32, unrounded, without codes or scale.

  int min_code() const { return is_signed ? -(1 << (bits - 1)) : 0; }
  int max_code() const { return is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1; }
};

/// Stored weights of a conv or linear layer, OIHW row-major (linear: height = width = 1).
struct Weights {
  int64_t out_channels = 0;
  int64_t in_channels = 0;  ///< Of one group.
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  int bits = 8;
  ValueMap value_map = ValueMap::kCode;
  std::vector<int8_t> codes;  ///< In [-2^(bits-1), 2^(bits-1) - 1].
  /// Real value of v = 1 with batch norm's factor inside (so it may be negative): one, or one an
  /// output channel.
  std::vector<float> scales;
  /// Codes that stand for 0: none (all 0), one, or one an output channel. kCode only.
  std::vector<int> zero_points;

  int64_t elements() const { return out_channels * in_channels * kernel_height * kernel_width; }
  int64_t fan_in() const { return in_channels * kernel_height * kernel_width; }
  float scale(int64_t channel) const {
    return scales[scales.size() == 1 ? 0 : static_cast<size_t>(channel)];
  }
  int zero_point(int64_t channel) const {
    if (zero_points.empty()) return 0;
    return zero_points[zero_points.size() == 1 ? 0 : static_cast<size_t>(channel)];
  }
  /// Where zero points are 0.
  int value(int8_t code) const { return value_map == ValueMap::kCode ? code : 2 * code + 1; }
  int value(int8_t code, int64_t channel) const { return value(code) - zero_point(channel); }
};

/// Where a convolution or pool looks: output (y, x) reads rows y * stride_height - top +
/// i * dilation_height, columns likewise.
struct Window {
  int64_t kernel_height = 1;  ///< Of pools; convolutions take both from their weights.
  int64_t kernel_width = 1;
  int64_t stride_height = 1;
  int64_t stride_width = 1;
  int64_t dilation_height = 1;
  int64_t dilation_width = 1;
  int64_t top = 0;  ///< Padding.
  int64_t left = 0;
  int64_t bottom = 0;
  int64_t right = 0;

  void set_kernel(int64_t extent) { kernel_height = kernel_width = extent; }
  void set_stride(int64_t step) { stride_height = stride_width = step; }
  void set_pad(int64_t pad) { top = left = bottom = right = pad; }
  /// Height and width alike, padding the same on all sides, no dilation.
  bool is_uniform() const {
    return kernel_height == kernel_width && stride_height == stride_width && dilation_height == 1 &&
           dilation_width == 1 && top == left && left == bottom && bottom == right;
  }
  bool operator==(const Window&) const = default;
};

/// One layer. With real(k) = scale * (k - zero_point) of an activation, s_y the output's scale (1
/// where it is_float) and code(y) = clamp(round-half-even(y) + zero_point of the output), layers
/// compute for each output, all in float32 unless said otherwise:
///  - conv, linear: y = (float(acc) + float(bias[c])) * multiplier[c]; with a skip: y =
///  fma(skip_code
///    - its zero point, skip_multiplier, y); with relu: y = max(y, 0); then code(y). acc is the
///    exact int32 sum of value * (code - zero_point); padding adds nothing.
///  - avg-pool: y = float(sum of (code - zero_point)) * ((float)(s_x / (count * s_y))) in double,
///    rounded once), count the window's elements, without those in the padding unless
///    count_padding; with relu as above.
///  - add, mul: y = real(a) + real(b), or times; with relu: max(y, 0); then y / s_y, then code(y).
///  - table: code = table[k - min_code], or the channel's part of it; max-pool, concat and move
///  only choose codes.
/// With requantization kFixedPoint, in integers instead, m = multiply(.., factors[i]):
///  - conv, linear: y = m(acc + bias[c]), of the one factor or the channel's; with kFixedPointOnce,
///    which they alone may have, m = multiply_once.
///  - avg-pool: y = m(sum of (code - zero_point)), the count inside the factor; without factors the
///    codes' own mean: code = rounded_mean(sum of codes, count), padding counted or not as above.
///  - add: y = m(m((a - zero_point_a) * 2^20) + m((b - zero_point_b) * 2^20)), of factors 2, 0, 1.
///  - mul: y = m((a - zero_point_a) * (b - zero_point_b)).
/// With relu: max(y, 0); then code = clamp(y + zero point of the output). Factors are near the real
/// ones that the scales make, which other runtimes use.
/// Clamping is to the output's codes and, where they are narrower, to [low, high]. A float output
/// (logits alone) is y itself.
struct Layer {
  std::string name;
  LayerKind kind = LayerKind::kConv;
  int64_t src = -1;   ///< Index of the activation read.
  int64_t dst = -1;   ///< Index of the activation written.
  int64_t skip = -1;  ///< Conv, linear: activation added before ReLU (residual block); -1: none.
  std::vector<int64_t> others = {};  ///< Further activations read: add, mul: one; concat: any.
  Window window = {};
  int64_t groups = 1;
  bool relu = false;
  bool count_padding = false;  ///< Of average pools.
  int low = INT32_MIN;         ///< Narrower limits of the output's codes.
  int high = INT32_MAX;
  Weights weights = {};  ///< Empty but for conv and linear.
  std::vector<int32_t> bias =
      {};  ///< One an output channel, in units of src.scale * weights.scale(c).
  /// A layer before this one whose stored weights and biases it uses; those here are a copy, and
  /// not part of the weight memory. For results that are quantized twice. -1: none.
  int64_t twin = -1;
  /// kTable: a code of dst for each code of src, or for each channel and code.
  std::vector<int16_t> table = {};
  std::vector<int32_t> order = {};  ///< kMove: the element of src for each one of dst (both CHW).
  Requantization requantization = Requantization::kFloat;  ///< Of layers that round to codes.
  std::vector<FixedPoint> factors = {};                    ///< Of fixed point, as said above.

  bool multiplies() const { return kind == LayerKind::kConv || kind == LayerKind::kLinear; }
  /// Whether its outputs are rounded to codes, within [low, high].
  bool rounds() const {
    return multiplies() || kind == LayerKind::kAvgPool || kind == LayerKind::kAdd ||
           kind == LayerKind::kMul;
  }
  bool in_fixed_point() const { return requantization != Requantization::kFloat; }
  bool pools() const { return kind == LayerKind::kMaxPool || kind == LayerKind::kAvgPool; }
  /// All activations that it reads.
  std::vector<int64_t> inputs() const;
  /// Of uniform windows.
  int64_t kernel() const { return window.kernel_height; }
  int64_t stride() const { return window.stride_height; }
  int64_t pad() const { return window.top; }
};

/// How pixels become the numbers that the first activation quantizes: x = factor * x0 + shift, with
/// x0 the normalized pixel, or the pixel itself in [0, 255].
struct ImageTransform {
  bool raw_pixels = false;
  std::vector<float> factor = {};  ///< Empty: 1; one, or one a channel.
  std::vector<float> shift = {};   ///< Empty: 0; likewise.
  bool half_away = false;          ///< The image's codes round half away from zero, not to even.
  bool operator==(const ImageTransform&) const = default;
};

/// A frozen network for images of one shape. Layers stand in an order in which they can be run;
/// activations[0] is the image, the last layer writes the logits.
struct Network {
  std::string name;
  std::vector<Activation> activations;
  std::vector<Layer> layers;
  ImageTransform image;
  /// Free text that travels with the model: "dataset", "recipe", "quantizer", "encoding",
  /// "accuracy", ...
  std::map<std::string, std::string> metadata;

  const Activation& input() const { return activations.front(); }
  const Activation& logits() const;
  int64_t classes() const { return logits().shape.elements(); }

  /// Whether it holds nothing but what flatenn's own training makes: symmetric codes, signed
  /// images, uniform windows, float logits, no kinds beyond average pools. Engines written for such
  /// networks decline others.
  bool is_plain() const;
  /// The same but for the images, which may be unsigned codes or made in another way.
  bool has_plain_layers() const;

  /// Throws Error naming the layer or activation where shapes, ranges or references do not fit:
  /// bits outside 2..8, codes outside their range, kOdd with 8 bits, sizes that do not match, a
  /// layer that reads what no earlier layer wrote, an accumulator that could leave int32.
  void validate() const;
};

/// multiplier[c] = (float)((double)s_x * s_w[c] / s_y), with s_y = 1 for logits.
std::vector<float> multipliers(const Network& network, const Layer& layer);
/// (float)((double)s_skip / s_y); 0 where the layer has no skip.
float skip_multiplier(const Network& network, const Layer& layer);
/// (float)((double)s_x / (count * s_y)) of an average pool over `count` elements; by default all of
/// its window.
float pool_multiplier(const Network& network, const Layer& layer, int64_t count = 0);
/// Multiply-accumulates of one image.
int64_t macs(const Network& network, const Layer& layer);

/// One tensor of the weight memory. The memory's population order: these in graph order, elements
/// in OIHW row-major order, bit 0 (least significant) first.
struct WeightTensor {
  int64_t layer = 0;  ///< Index into Network::layers.
  std::string name;   ///< The layer's.
  int64_t elements = 0;
  int bits = 0;
};
std::vector<WeightTensor> weight_memory(const Network& network);
/// Bits in the whole weight memory.
int64_t weight_bits(const Network& network);

}  // namespace flatenn::net
