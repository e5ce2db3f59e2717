#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// A differentiable view of a frozen network: the integer network's own arithmetic in float32, with
/// rounding straight through (derivative 1, second derivative 0) and clamping with its true
/// derivative.
///
/// Its variables are moves of the dequantized weights: with all of them zero, codes and logits
/// equal the integer engines' as long as accumulators stay below 2^24 (the case for every network
/// here of at most 8 bits and a fan-in below 512; above that, sums may differ in their last bit). A
/// move w + delta is what a fault makes of a stored weight, in real units, on the grid or off it.
class TorchNetwork {
 public:
  explicit TorchNetwork(std::shared_ptr<const net::Network> network,
                        torch::Device device = torch::kCPU);

  /// Dequantized weights, one tensor a multiplying layer, OIHW (linear: O, I, 1, 1), in graph
  /// order.
  const std::vector<torch::Tensor>& weights() const { return weights_; }
  /// Indices into Network::layers of weights().
  const std::vector<int64_t>& weight_layers() const { return weight_layers_; }
  std::vector<std::vector<int64_t>> weight_shapes() const;
  int64_t parameter_count() const;
  torch::Tensor flat_weights() const;  ///< weights(), flat [parameter_count()].

  /// What decides the outputs besides weights, flat: logarithms of the scales of all codes, then
  /// biases in real units, both in graph order.
  torch::Tensor rest() const;
  /// The same weights with another rest, off the grid.
  std::shared_ptr<const TorchNetwork> with_rest(const torch::Tensor& rest) const;

  /// Logits [n, classes] for input codes [n, channels, height, width] (float32 integers). `moves`
  /// has the shapes of weights(); an undefined tensor in it, or an empty vector, means no move.
  torch::Tensor forward(const torch::Tensor& codes, const std::vector<torch::Tensor>& moves) const;

  const net::Network& network() const { return *network_; }
  torch::Device device() const { return device_; }

 private:
  torch::Tensor multiply(size_t index, const torch::Tensor& input, const torch::Tensor& move) const;
  torch::Tensor finish(const net::Layer& layer, torch::Tensor y, const torch::Tensor& skip) const;

  std::shared_ptr<const net::Network> network_;
  torch::Device device_;
  std::vector<int64_t> weight_layers_;
  std::vector<torch::Tensor> weights_;      ///< value * scale
  std::vector<torch::Tensor> values_;       ///< The integers that multiply.
  std::vector<torch::Tensor> scales_;       ///< [O, 1, 1, 1]
  std::vector<torch::Tensor> biases_;       ///< [O], integers
  std::vector<torch::Tensor> multipliers_;  ///< [O]
};

}  // namespace flatenn::analysis
