#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flatenn/nn/model.h"

/// Activation sparsity: the share of zeros among the codes that a multiplying layer reads (after
/// pooling, without padding, the image excluded), weighted by that layer's MACs.
namespace flatenn::nn {

enum class SparsityPenalty {
  kNone,
  kL1,           ///< mean |x| per element.
  kHoyerSquare,  ///< (sum |x|)^2 / sum x^2 per element (arXiv:1908.09979).
};

/// What a layer's penalty counts in the average over layers.
enum class SparsityWeighting {
  kLayers,  ///< One.
  kMacs,    ///< Its multiply-accumulates, as in the network's sparsity.
};

/// What one Hoyer-square measure of a layer's input covers; L1 is the same either way.
enum class SparsityGrouping {
  kLayers,    ///< The whole tensor: channels compete, and weak ones fall silent.
  kChannels,  ///< A channel of feature maps [N, C, H, W], averaged over channels; [N, F] is one.
              ///< No scale of a channel changes the penalty, so none is pushed to die.
};

/// "none", "l1", "hoyer_square".
SparsityPenalty parse_sparsity_penalty(const std::string& name);
std::string to_string(SparsityPenalty penalty);

/// "layers", "macs".
SparsityWeighting parse_sparsity_weighting(const std::string& name);
std::string to_string(SparsityWeighting weighting);

/// "layers", "channels".
SparsityGrouping parse_sparsity_grouping(const std::string& name);
std::string to_string(SparsityGrouping grouping);

/// The penalty over what the multiplying layers read in the model's last forward pass in training
/// mode with set_recording(true); a scalar, differentiable. Undefined for kNone.
torch::Tensor sparsity_penalty(const ModelImpl& model, SparsityPenalty penalty,
                               SparsityWeighting weighting = SparsityWeighting::kLayers,
                               SparsityGrouping grouping = SparsityGrouping::kLayers);

struct SparsityReport {
  double network = 0;                    ///< MAC-weighted share of zeros, in [0, 1].
  std::map<std::string, double> layers;  ///< Share of zeros that each layer reads.
};

/// Counts zeros over any number of forward passes. Counts stay where they lie in memory, so that
/// reset() and add() can be part of a recorded CUDA graph.
class SparsityMeter {
 public:
  /// Adds the last forward pass of a model with set_recording(true). Does not wait for a GPU.
  void add(const ModelImpl& model);
  SparsityReport report(const ModelImpl& model) const;
  void reset();

 private:
  std::vector<torch::Tensor> zeros_;  ///< int64 scalar for each recorded layer.
  std::vector<int64_t> elements_;
};

struct SparsityControllerOptions {
  double target = 0.85;            ///< In (0, 1).
  double initial_strength = 1e-3;  ///< > 0.
  double gain = 0.2;               ///< Change of log strength per unit of error and update.
  double damping = 10;             ///< Weight of the error's change beside the error itself.
  double minimum = 1e-8;
  double maximum = 1e4;
};

/// Steers the penalty's strength so that the measured sparsity reaches its target:
///   log strength += gain * (e + damping * (e - e_last)), e = target - measured,
/// a proportional-integral rule on the logarithm, so it acts alike over orders of magnitude.
class SparsityController {
 public:
  explicit SparsityController(const SparsityControllerOptions& options);

  double strength() const { return strength_; }
  /// Moves the strength after a measurement, e.g. the training batches since the last call.
  void update(double measured);

  /// Everything a resume needs.
  std::vector<double> state() const;
  void load_state(const std::vector<double>& state);

 private:
  SparsityControllerOptions options_;
  double strength_;
  double last_error_ = 0;  ///< 0 before the first measurement.
};

}  // namespace flatenn::nn
