#pragma once

#include <memory>

#include "flatenn/net/network.h"
#include "flatenn/nn/quantizer.h"

namespace flatenn::nn {

/// Quantizes weights as a frozen network stores them: its bits, value map, zero points and scales,
/// which may be negative (batch norm's factor) or 0 (a channel that is off).
///
/// All channels of a layer train with one step, the geometric mean of their scales, and a constant
/// gain of each makes up for the rest: latent weights are then as they were before batch norm was
/// folded into the scales, so that learning rate and perturbation mean the same for each channel.
/// The scales stay, or are learned from the file's on with LSQ's gradient; their signs stay.
std::shared_ptr<WeightQuantizerImpl> make_file_quantizer(const net::Weights& weights, bool learned);

/// Latent weights for that quantizer, step * value, float32, [out, in, kh, kw] (linear: [out, in]).
/// It turns them back into the stored codes.
torch::Tensor latent_weights(const net::Weights& weights, bool linear);

}  // namespace flatenn::nn
