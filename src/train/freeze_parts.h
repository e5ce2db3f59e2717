#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "flatenn/train/freeze.h"

/// What freezing a network of the zoo and one of a file share.
namespace flatenn::train {

/// A model made from a frozen network, frozen to the same layers, bits and zero points.
FreezeResult freeze_again(const nn::ModelImpl& model, const FreezeOptions& options);

template <typename To, typename From>
std::vector<To> to_vector(const torch::Tensor& tensor) {
  const torch::Tensor host = tensor.detach().cpu().contiguous();
  const From* from = host.data_ptr<From>();
  std::vector<To> values(static_cast<size_t>(host.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<To>(from[i]);
  return values;
}

/// Throw Error naming what holds values that are not finite.
void check_finite(const torch::Tensor& tensor, const std::string& what);
void check_finite(const nn::QuantLayerImpl& layer);

/// Names channels whose bias or batch norm factor was clamped.
void warn_of_clamping(const nn::FoldedLayer& folded, const std::string& layer,
                      std::vector<std::string>& warnings);

/// Saturates the codes that the encoding has no word for, takes the code rms of each layer, and
/// validates the network.
void encode(FreezeResult& result, fault::Encoding encoding);

}  // namespace flatenn::train
