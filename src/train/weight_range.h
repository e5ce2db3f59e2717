#pragma once

#include <torch/types.h>

#include "flatenn/nn/model.h"
#include "flatenn/train/robustness.h"

namespace flatenn::train {

/// Clips every layer's latent weights to [-limit, limit], in place.
void clip_weights(nn::ModelImpl& model, double limit);

/// What is added to the objective for the ranges of weights: a scalar, differentiable in the
/// learned scales, in plain gradients (LSQ's gradient scale does not apply). Undefined where
/// nothing is asked for.
///   penalty * sum over layers of mean over scales of alpha^2, alpha = s * greatest value (with
///   liq's gain);
///   code_rms_strength * sum over layers of mean over scales of log(rms / wanted)^2, rms that of
///   the values v of the codes, which falls as 1 / s while codes are not clipped: the gradient is
///   that of log(rms) = -log(s) + constant.
torch::Tensor range_penalty(const nn::ModelImpl& model, const WeightRangeOptions& options);

}  // namespace flatenn::train
