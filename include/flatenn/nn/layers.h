#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/net/network.h"
#include "flatenn/nn/quantizer.h"

namespace flatenn::nn {

/// One layer of a model's graph; names and meaning as in net::Layer.
struct LayerSpec {
  std::string name;
  net::LayerKind kind = net::LayerKind::kConv;
  int64_t src = -1;
  int64_t dst = -1;
  int64_t skip = -1;
  std::vector<int64_t> others = {};
  int64_t in_channels = 0;   ///< kLinear: features.
  int64_t out_channels = 0;  ///< kLinear: features.
  net::Window window = {};   ///< With the kernel of convolutions, too.
  int64_t groups = 1;
  bool relu = false;
  bool bias = true;         ///< A learned bias; false under batch norm.
  bool batch_norm = false;  ///< Between product and skip.

  // Of networks that were not trained here (graph_of()).
  bool count_padding = false;
  int low = INT32_MIN;
  int high = INT32_MAX;
  int64_t twin = -1;  ///< Index of a layer of the graph.
  std::vector<int16_t> table = {};
  std::vector<int32_t> order = {};
  net::Requantization requantization = net::Requantization::kFloat;
  std::vector<net::FixedPoint> factors = {};  ///< At the scales that the file has.

  bool multiplies() const {
    return kind == net::LayerKind::kConv || kind == net::LayerKind::kLinear;
  }
  bool in_fixed_point() const { return requantization != net::Requantization::kFloat; }
  /// Of uniform windows.
  int64_t kernel() const { return window.kernel_height; }
  int64_t stride() const { return window.stride_height; }
  int64_t pad() const { return window.top; }
};

/// A window of equal height and width, padded alike on all sides.
net::Window square_window(int64_t kernel, int64_t stride = 1, int64_t pad = 0);

/// A layer as the frozen network computes it: batch norm in the scales, bias rounded.
struct FoldedLayer {
  torch::Tensor codes;   ///< float32 integers, [out, in / groups, kh, kw] or [out, in].
  torch::Tensor values;  ///< float32 integers v of the codes.
  torch::Tensor scales;  ///< float32, [1] or [out]: real value of v = 1 with batch norm's factor.
  torch::Tensor bias;    ///< float64 integers, [out], in units of input scale * scales.
  net::ValueMap value_map = net::ValueMap::kCode;
  torch::Tensor bias_clamped;   ///< bool, [out]: the bias left +-2^30 and was clamped.
  torch::Tensor factor_raised;  ///< bool, [out]: |gamma / sigma| was below 1e-12.
};

/// (acc + bias) * multiplier in float32, the layer's output in codes of `output_scale` (float64
/// [1]; 1 for logits) before skip, ReLU and rounding, as on net::Layer.
torch::Tensor requantized(const FoldedLayer& folded, const torch::Tensor& acc,
                          const torch::Tensor& input_scale, const torch::Tensor& output_scale);

/// Batch norm's parameters, float32 [channels].
struct BatchNorm {
  torch::Tensor gamma;
  torch::Tensor beta;
  torch::Tensor running_mean;  ///< Move with the batch; undefined: they stay.
  torch::Tensor running_var;
  double momentum = 0.1;
  double epsilon = 1e-5;
};

/// A convolution or a linear layer with quantized weights, batch norm and bias.
class QuantLayerImpl : public torch::nn::Module {
 public:
  static constexpr double kBatchNormEpsilon = 1e-5;
  static constexpr double kBatchNormMomentum = 0.1;

  /// `quant` is ignored where quantized is false. The weight starts from He's uniform distribution
  /// for ReLU, drawn from the stream (seed, kInitialization, index).
  QuantLayerImpl(const LayerSpec& spec, bool quantized, const WeightQuantizerOptions& quant,
                 uint64_t seed, uint64_t index);

  /// A layer of a frozen network, which starts from the stored weights and biases and from an input
  /// of these codes; see make_file_quantizer() for `learned`.
  QuantLayerImpl(const LayerSpec& spec, const net::Layer& from, const net::Activation& src,
                 bool learned);

  /// Product, bias and batch norm on real values; training mode updates running statistics if
  /// `track_statistics`.
  torch::Tensor forward(const torch::Tensor& x);
  /// Product and bias alone; forward(x) is normalize(multiply(x)).
  torch::Tensor multiply(const torch::Tensor& x);
  /// Batch norm, where the layer has one.
  torch::Tensor normalize(const torch::Tensor& y) const;
  BatchNorm batch_norm() const;

  /// Whether forward_pooled() covers this layer with this max pool and input.
  bool can_pool(const LayerSpec& pool, const torch::Tensor& x) const;
  /// max_pool2d(forward(x), 2) in one operation, differentiable once.
  torch::Tensor forward_pooled(const torch::Tensor& x);

  /// Folds batch norm and rounds the bias, given the real value of the input's code 1 (float32,
  /// [1]). Runs on the layer's device without waiting for it.
  FoldedLayer fold(const torch::Tensor& input_scale) const;
  /// acc = sum of values * input codes: exact, in float32, or in float64 where |acc| could reach
  /// 2^24 in a layer of a frozen network.
  torch::Tensor accumulate(const torch::Tensor& codes, const torch::Tensor& values) const;
  /// The greatest acc of each window; the layer's output is monotone in it, without batch norm.
  torch::Tensor accumulate_pooled(const torch::Tensor& codes, const torch::Tensor& values) const;

  const LayerSpec& spec() const { return spec_; }
  bool quantized() const { return quantizer != nullptr; }

  torch::Tensor weight;  ///< Latent, OIHW (linear: [out, in]).
  torch::Tensor bias;    ///< [out]; undefined where spec.bias is false.
  /// Buffer, float64 [out]: what float32 leaves of a stored bias; undefined where it is nothing.
  torch::Tensor bias_rest;
  torch::Tensor gamma;  ///< Batch norm's affine parameters, [out]; undefined without it.
  torch::Tensor beta;
  torch::Tensor running_mean;  ///< Buffers, [out].
  torch::Tensor running_var;
  std::shared_ptr<WeightQuantizerImpl> quantizer;  ///< Null: float weights.
  bool track_statistics = true;
  /// Type of the product and of what forward() returns; weights, batch norm's parameters and
  /// quantizer arithmetic stay float32.
  torch::ScalarType compute_type = torch::kFloat32;

  /// Added to Q(w) in forward() where defined (to w where the layer is not quantized).
  torch::Tensor perturbation;
  /// Added to the integers v of Q(w) in forward() where defined, float32 of the weight's shape:
  /// what faults make of stored codes. Constant to the weights' gradient, so that it goes straight
  /// through; a learned scale feels the value that the fault made.
  torch::Tensor value_change;
  /// Keep Q(w) of the last forward(), without perturbation, detached.
  bool keep_quantized_weight = false;
  torch::Tensor quantized_weight;

 private:
  torch::Tensor effective_weight();
  torch::Tensor product(const torch::Tensor& x, const torch::Tensor& w,
                        const torch::Tensor& b) const;

  LayerSpec spec_;
  double input_reach_ = 0;  ///< Greatest |input code|; 0 where sums stay below 2^24 anyhow.
  double bias_limit_;       ///< Of a frozen bias.
};

}  // namespace flatenn::nn
