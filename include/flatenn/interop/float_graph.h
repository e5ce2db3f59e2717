#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/interop/onnx.h"
#include "flatenn/net/network.h"

/// A float32 network as a list of operations, between an ONNX file and a frozen network.
namespace flatenn::interop {

enum class FloatKind { kConv, kLinear, kMaxPool, kAvgPool, kAdd, kMul, kConcat, kFunction, kMove };

/// OIHW row-major (linear: height = width = 1).
struct FloatWeights {
  int64_t out_channels = 0;
  int64_t in_channels = 0;  ///< Of one group.
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  std::vector<float> values;
  std::vector<float> bias;  ///< One an output channel.

  int64_t fan_in() const { return in_channels * kernel_height * kernel_width; }
};

/// One operation on tensors, which are flat CHW arrays; `in` and `out` say how this operation sees
/// its first input and its output (a reshape costs nothing). Results are limited to [low, high]:
/// ReLU, ReLU6 and Clip.
struct FloatOp {
  std::string name;
  std::string type;  ///< ONNX's operator.
  FloatKind kind = FloatKind::kConv;
  std::vector<int64_t> inputs = {};  ///< Tensors. kMul, kAdd: the second may be [C, 1, 1].
  int64_t skip = -1;                 ///< kConv, kLinear: tensor added before the limits; -1: none.
  int64_t output = -1;
  net::Shape in = {};
  net::Shape out = {};
  net::Window window = {};  ///< Kernels of pools only, as net::Layer.
  int64_t groups = 1;
  bool count_padding = false;
  FloatWeights weights = {};
  float low = -INFINITY;
  float high = INFINITY;
  /// kFunction: a function computed first, times its own input where `times_input`.
  std::shared_ptr<const FloatOp> before = nullptr;
  bool times_input = false;
  /// kFunction: then x * factor + shift (one, or one a channel; empty: 1 and 0), then function.
  std::vector<float> factor = {};
  std::vector<float> shift = {};
  std::function<float(float)> function = {};
  bool homogeneous = false;         ///< function(s * x) = s * function(x) for s > 0.
  std::vector<int32_t> order = {};  ///< kMove: the element of the input for each one of the output.

  bool multiplies() const { return kind == FloatKind::kConv || kind == FloatKind::kLinear; }
  bool is_limited() const { return low > -INFINITY || high < INFINITY; }
  /// Only chooses among the elements of its inputs.
  bool chooses() const {
    return kind == FloatKind::kMaxPool || kind == FloatKind::kConcat || kind == FloatKind::kMove;
  }
  /// Does nothing but limit.
  bool only_limits() const { return is_affine() && factor.empty() && shift.empty(); }
  /// x * factor + shift, perhaps limited.
  bool is_affine() const { return kind == FloatKind::kFunction && !function && !before; }
  /// kFunction: another one for each channel.
  bool by_channel() const {
    return factor.size() > 1 || shift.size() > 1 || (before && before->by_channel());
  }
  /// The inputs and the skip.
  std::vector<int64_t> reads() const;
};

/// Operations stand in an order in which they can be run. Tensor 0 is the image.
struct FloatGraph {
  std::string name;
  std::vector<std::string> tensors;  ///< Names.
  std::vector<FloatOp> ops;
  int64_t output = -1;  ///< The logits.
  net::Shape input;
  net::ImageTransform image;

  int64_t classes() const;
  /// Index of the operation that writes each tensor; -1 for the image and what nothing writes.
  std::vector<int64_t> writers() const;
  /// How many operations read each tensor; the logits count as read once more.
  std::vector<int64_t> readers() const;
};

/// x * factor + shift of what is at `channel`, where lists hold one value, one a channel or none.
float scaled(const FloatOp& op, int64_t channel, float x);

/// kFunction: all that it does to one number.
float apply(const FloatOp& op, int64_t channel, float x);

/// Reads a network that computes in float32 from an ONNX file: convolutions and products with
/// constant weights, pools, sums, functions of one number, moves. Softmax and the like behind the
/// logits are dropped. `notes`, where given, takes what each node became. Throws Error naming the
/// file, and the node with its operator where something is not supported, as for networks that are
/// quantized already.
FloatGraph read_float_onnx(const std::filesystem::path& path,
                           std::vector<ImportedNode>* notes = nullptr);

}  // namespace flatenn::interop
