#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "flatenn/nn/quantize.h"

namespace flatenn::nn {

/// How a layer's weights become codes and a scale. docs/quantization.md has the formulas.
enum class WeightQuantizerKind {
  kLsq,   ///< s = exp(t), t learned (arXiv:1902.08153).
  kTied,  ///< s = factor * mean|w|, follows the weights, not learned.
  kLiq,   ///< Standardized weights, learned clip, 2^b symmetric levels (arXiv:2111.12273).
};

/// "lsq", "tied", "liq". Throws Error listing the choices.
WeightQuantizerKind parse_weight_quantizer(const std::string& name);
std::string to_string(WeightQuantizerKind kind);

struct WeightQuantizerOptions {
  WeightQuantizerKind kind = WeightQuantizerKind::kLsq;
  int64_t bits = 4;          ///< 2..8; 2..7 for kLiq.
  bool per_channel = false;  ///< One scale an output channel instead of one a tensor.
  double tied_factor = 0;    ///< Of kTied, at 4 bits: see tied_factor_at(); 0 takes 0.3.
  /// kLiq alone: multiply by the spread that the weight had when initialized, which standardization
  /// takes away. For layers without batch norm.
  bool keep_spread = false;
};

/// The factor of kTied at `bits` where it is `factor` at 4 bits (0: 0.3): times the ratio of the
/// steps that quantize a Gaussian with least squared error at `bits` and at 4 bits, so that one
/// setting fills words of every width alike.
double tied_factor_at(double factor, int64_t bits);

/// Codes and scales as a memory stores them, before batch norm is folded in.
struct QuantizedWeights {
  torch::Tensor codes;   ///< float32 integers, the weight's shape; less their zero points.
  torch::Tensor scales;  ///< float64, [1] or [out_channels]: real value of v = 1.
  net::ValueMap value_map = net::ValueMap::kCode;
};

/// A weight quantizer owns what it learns; the latent weight belongs to the layer.
///
/// The tensor that forward() returns is "the quantizer's output" Q(w) of sharpness-aware training:
/// perturbations are added to it. What multiplies the layer's input is gain * Q(w).
class WeightQuantizerImpl : public torch::nn::Module {
 public:
  explicit WeightQuantizerImpl(const WeightQuantizerOptions& options);

  /// Whether a greater code may stand for a smaller weight (a negative scale).
  virtual bool may_invert() const { return false; }
  /// Q(w), differentiable in w and the learned scale.
  virtual torch::Tensor forward(const torch::Tensor& weight) = 0;
  /// Codes of the current weight; scales include the gain.
  virtual QuantizedWeights quantize(const torch::Tensor& weight) const = 0;
  /// Real value of v = 1 in Q(w), [1] or [out], differentiable in the learned scale with the
  /// gradient scale that forward() has; without gain.
  virtual torch::Tensor step(const torch::Tensor& weight) const;
  /// Sets learned scales and the gain from the weight.
  virtual void initialize(const torch::Tensor& weight) = 0;

  const WeightQuantizerOptions& options() const { return options_; }
  const Grid& grid() const { return grid_; }
  void set_form(QuantizeForm form) { form_ = form; }

  torch::Tensor log_scale;  ///< t with s = exp(t), [1] or [out]; undefined where not learned.
  torch::Tensor gain;       ///< Buffer, [1] or [out]; undefined where it is 1.

 protected:
  /// For a grid of its own.
  WeightQuantizerImpl(const WeightQuantizerOptions& options, const Grid& grid)
      : options_(options), grid_(grid) {}
  /// LSQ's 1 / sqrt(elements of one scale * greatest value).
  double gradient_scale(const torch::Tensor& weight) const;

  WeightQuantizerOptions options_;
  Grid grid_;
  QuantizeForm form_ = QuantizeForm::kFused;
};

/// A quantizer initialized from `weight`. Throws Error where options are out of range.
std::shared_ptr<WeightQuantizerImpl> make_weight_quantizer(const WeightQuantizerOptions& options,
                                                           const torch::Tensor& weight);

/// Quantizes one activation tensor with a learned scale (s = exp(t), LSQ's gradient).
///
/// Unsigned after ReLU, where clamping at 0 is the ReLU itself; signed for the down-sampling branch
/// of a residual block. The image's quantizer is signed, 8 bits, and its scale is a constant.
class ActivationQuantizerImpl : public torch::nn::Module {
 public:
  /// `fatrelu` > 0: values under fatrelu * (clip at initialization) become 0, by a floor under the
  /// scale: what is under half a step rounds to code 0.
  ActivationQuantizerImpl(int64_t bits, bool is_signed, double fatrelu = 0);
  /// Signed with a fixed scale, never learned (the image).
  static std::shared_ptr<ActivationQuantizerImpl> fixed(int64_t bits, double scale);
  /// The codes of a frozen network's activation. Its scale stays, or is learned from there on.
  static std::shared_ptr<ActivationQuantizerImpl> of_codes(const net::Activation& codes,
                                                           bool learned);

  /// Fake-quantized x, [N, ...], real-valued. Throws Error where no scale was set yet.
  torch::Tensor forward(const torch::Tensor& x) { return forward(x, grid_); }
  /// The same onto a part of the codes: `within` lies in grid().
  torch::Tensor forward(const torch::Tensor& x, const Grid& within);
  /// What forward(x, within) hands to fake_quantize(). Not for fixed scales.
  QuantizerInputs inputs_for(const torch::Tensor& x, const Grid& within) const;
  /// Codes of x less the zero point, float32 integers, without gradient.
  torch::Tensor codes(const torch::Tensor& x) const;
  /// Sets the scale from a first batch: s = 2 mean|x| / sqrt(max code), over x > 0 if unsigned.
  void initialize(const torch::Tensor& x);

  int64_t bits() const { return bits_; }
  bool is_signed() const { return is_signed_; }
  bool learned() const { return log_scale.defined(); }
  /// Codes less the zero point, here and wherever codes are computed.
  const Grid& grid() const { return grid_; }
  int64_t zero_point() const { return zero_point_; }
  torch::Tensor scale() const;  ///< float32 [1], detached: real value of code 1.
  bool initialized() const;
  void set_form(QuantizeForm form) { form_ = form; }

  torch::Tensor log_scale;  ///< t, [1]; undefined where the scale is fixed.

 private:
  ActivationQuantizerImpl(int64_t bits, const Grid& grid);
  torch::Tensor floored_log_scale() const;

  int64_t bits_;
  Grid grid_;
  bool is_signed_;
  int64_t zero_point_ = 0;
  QuantizeForm form_ = QuantizeForm::kFused;
  double fatrelu_ = 0;
  torch::Tensor base_scale_;  ///< Buffer, float32 [1], of of_codes(); s = base * exp(log_scale).
  torch::Tensor no_change_;   ///< Buffer, 0, in log_scale's place where such a scale stays.
  torch::Tensor least_log_scale_;     ///< Buffer, [1]; undefined without fatrelu.
  torch::Tensor fixed_scale_;         ///< Buffer, float32 [1]; undefined where learned.
  torch::Tensor initialized_;         ///< Buffer, uint8 [1], so that it is saved.
  mutable bool known_ready_ = false;  ///< Spares reading the buffer again.
};

}  // namespace flatenn::nn
