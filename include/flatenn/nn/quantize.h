#pragma once

#include <torch/types.h>

#include <cstdint>

#include "flatenn/net/network.h"

/// Fake quantization: real numbers in, real numbers on a grid out, gradients straight through.
namespace flatenn::nn {

/// The integer side of a quantizer: codes k in [min_code, max_code] and the integer v each stands
/// for.
struct Grid {
  int64_t min_code = -8;
  int64_t max_code = 7;
  net::ValueMap value_map = net::ValueMap::kCode;

  /// Signed codes of `bits` bits.
  static Grid signed_codes(int64_t bits, net::ValueMap value_map = net::ValueMap::kCode);
  /// Unsigned codes of `bits` bits.
  static Grid unsigned_codes(int64_t bits);

  int64_t min_value() const;  ///< v of min_code.
  int64_t max_value() const;  ///< v of max_code.
  /// The largest |v|.
  int64_t reach() const;
};

/// Which form computes fake_quantize.
enum class QuantizeForm {
  kFused,      ///< One pass forward, one backward; first derivatives only.
  kComposite,  ///< Elementary LibTorch operations; differentiable any number of times.
};

/// Q(x) = s * v(k), s = exp(log_scale), k = clamp(round-half-even(x / s)) for kCode and
/// k = clamp(round-half-even((x / s - 1) / 2)) for kOdd.
///
/// `x` is float32 of any shape; `log_scale` has one element, or one for each index of x's first
/// dimension. Gradients, with u = x / s and v_min, v_max the ends of the grid (for activations
/// v_min = 0 makes this ReLU's gradient too):
///   dL/dx         = dL/dQ where v_min <= u <= v_max, else 0;
///   dL/dlog_scale = gradient_scale * s * sum dL/dQ * (v - u inside, v_min below, v_max above).
/// That is LSQ's step gradient (Esser et al., arXiv:1902.08153, eq. 3) carried to log_scale by the
/// chain rule. Both forms give the same values and the same first gradients.
///
/// With `base` (float32, positive, log_scale's shape) s = base * exp(log_scale): a scale that
/// starts from `base` to the last bit.
torch::Tensor fake_quantize(const torch::Tensor& x, const torch::Tensor& log_scale,
                            const Grid& grid, double gradient_scale,
                            QuantizeForm form = QuantizeForm::kFused,
                            const torch::Tensor& base = {});

/// What fake_quantize() needs besides the tensor.
struct QuantizerInputs {
  torch::Tensor log_scale;
  torch::Tensor base;  ///< May be undefined.
  Grid grid;
  double gradient_scale = 1;
};

/// s itself, float32, without gradient.
torch::Tensor real_scale(const torch::Tensor& log_scale, const torch::Tensor& base = {});

/// Codes k of fake_quantize as float32 integers, without gradient, given s itself (float32).
torch::Tensor quantize_codes(const torch::Tensor& x, const torch::Tensor& scale, const Grid& grid);

/// The integers v that codes stand for, float32.
torch::Tensor code_values(const torch::Tensor& codes, net::ValueMap value_map);

}  // namespace flatenn::nn
