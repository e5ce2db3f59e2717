#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "interop/net_names.h"

namespace flatenn::interop {

/// How a file says what is quantized. Real-valued tensors bear the names of activations and of
/// "<layer>:weight" and "<layer>:bias" in every form; between them stand the same operators.
class CodeForm {
 public:
  virtual ~CodeForm() = default;

  /// Rounds `real` to the codes of `a`, as a tensor of real values named `a.name`.
  virtual void quantize(const Activation& a, const std::string& real) = 0;
  /// Whether what only chooses among codes (max-pool, concatenation) is quantized again.
  virtual bool quantizes_choices() const = 0;
  /// A layer's weights and biases as real values; the tensor's name. Weights come as
  /// [out, in, kernel height, kernel width], of linear layers as [out, in].
  virtual std::string weights(const Layer& layer) = 0;
  /// `src_scale`: scale of the activation that the layer reads.
  virtual std::string bias(const Layer& layer, float src_scale) = 0;

  struct Index {
    std::string tensor;  ///< INT32.
    int zero = 0;        ///< The code that stands there as 0.
  };
  /// The codes of an activation, given as real values, as integers that can choose from a table.
  virtual Index index(const Layer& layer, const Activation& a, const std::string& real) = 0;
  /// Chooses from layer.table by `place`, which counts its entries; writes `dst.name`.
  virtual void look_up(const Layer& layer, const std::string& place, const Activation& dst) = 0;

  virtual int64_t opset() const = 0;
};

/// "layer conv3 (conv)", for messages.
std::string describe(const Layer& layer);
/// Of a layer's weights in ONNX: [out, in, height, width], of linear layers [out, in].
std::vector<int64_t> weight_dims(const Layer& layer);

}  // namespace flatenn::interop
