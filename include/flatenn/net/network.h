#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// The frozen integer network: what an accelerator stores and computes, free of any training
/// library.
namespace flatenn::net {

enum class LayerKind {
  kConv,     ///< Grouped 2-d convolution, zero padding.
  kLinear,   ///< Matrix product; reads its input flattened in CHW order.
  kMaxPool,  ///< On codes; scale unchanged.
  kAvgPool,  ///< Sums codes exactly, rounds once to the output's codes.
};

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
  bool is_signed = false;  ///< The image, and the down-sampling branch of a residual block.
  float scale = 1;         ///< Real value of code 1.
  bool is_float = false;   ///< Logits: float32, unrounded, without codes or scale.

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

  int64_t elements() const { return out_channels * in_channels * kernel_height * kernel_width; }
  int64_t fan_in() const { return in_channels * kernel_height * kernel_width; }
  float scale(int64_t channel) const {
    return scales[scales.size() == 1 ? 0 : static_cast<size_t>(channel)];
  }
  int value(int8_t code) const { return value_map == ValueMap::kCode ? code : 2 * code + 1; }
};

/// One layer. Conv and linear compute, for each output,
///   y = (float(acc) + float(bias[c])) * multiplier[c]; with a skip: y = fma(skip_code,
///   skip_multiplier, y); with relu: y = max(y, 0); then rounding half to even and clamping, unless
///   the output is_float.
/// acc is the exact int32 sum of value * code; padding is code 0.
struct Layer {
  std::string name;
  LayerKind kind = LayerKind::kConv;
  int64_t src = -1;   ///< Index of the activation read.
  int64_t dst = -1;   ///< Index of the activation written.
  int64_t skip = -1;  ///< Activation added before ReLU (residual block); -1: none.
  int64_t kernel =
      1;  ///< Of pools; convolutions take it from their weights. AvgPool may cover all.
  int64_t stride = 1;
  int64_t pad = 0;
  int64_t groups = 1;
  bool relu = false;
  Weights weights;            ///< Empty for pools.
  std::vector<int32_t> bias;  ///< One an output channel, in units of src.scale * weights.scale(c).

  bool multiplies() const { return kind == LayerKind::kConv || kind == LayerKind::kLinear; }
};

/// A frozen network for images of one shape. Layers stand in an order in which they can be run;
/// activations[0] is the image, the last layer writes the logits.
struct Network {
  std::string name;
  std::vector<Activation> activations;
  std::vector<Layer> layers;
  /// Free text that travels with the model: "dataset", "recipe", "quantizer", "encoding",
  /// "accuracy", ...
  std::map<std::string, std::string> metadata;

  const Activation& input() const { return activations.front(); }
  const Activation& logits() const;
  int64_t classes() const { return logits().shape.elements(); }

  /// Throws Error naming the layer or activation where shapes, ranges or references do not fit:
  /// bits outside 2..8, codes outside their range, kOdd with 8 bits, sizes that do not match, a
  /// layer that reads what no earlier layer wrote, an accumulator that could leave int32.
  void validate() const;
};

/// multiplier[c] = (float)((double)s_x * s_w[c] / s_y), with s_y = 1 for logits.
std::vector<float> multipliers(const Network& network, const Layer& layer);
/// (float)((double)s_skip / s_y); 0 where the layer has no skip.
float skip_multiplier(const Network& network, const Layer& layer);
/// (float)((double)s_x / (window area * s_y)) of an average pool.
float pool_multiplier(const Network& network, const Layer& layer);
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
