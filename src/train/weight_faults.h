#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "flatenn/fault/injector.h"
#include "flatenn/nn/model.h"

namespace flatenn::train {

/// The weight memory that freezing this quantized model gives, with codes of 0: names, shapes, bits
/// and value maps of its multiplying layers. Enough to draw fault maps for it.
std::shared_ptr<const net::Network> empty_memory(const nn::ModelImpl& model);

/// One map as masks of the faulty words, by layer and fault::FaultKind, in the host's memory.
struct WordMasks {
  static constexpr size_t kKinds = 5;
  struct Plane {
    torch::Tensor words;  ///< int64: places of the faulty words, rising; undefined without any.
    torch::Tensor masks;  ///< int16: of each of them; bit b stands for bit b of the word.
  };
  std::vector<std::array<Plane, kKinds>> layers;
  int64_t faults = 0;
};

/// Faults of a model's stored weights while it trains: maps as fault::Injector draws them, kept as
/// masks of the words on the model's device, and what they make of the codes at any moment.
///
/// The masks and results stay where they lie in memory; apply() copies nothing to the device, so
/// that it can be part of a recorded step, and set() between replays changes what that step meets.
class WeightFaults {
 public:
  /// Throws Error where the faults do not fit the network (fault::Injector), or reach beyond weight
  /// words.
  WeightFaults(nn::Model model, const fault::FaultModel& faults);

  /// The map of (seed, trial) at `rate`. May be called from several threads, beside the others.
  [[nodiscard]] WordMasks draw(double rate, uint64_t seed, uint64_t trial) const;
  /// Replaces the masks by those of a map. Waits for no device.
  void set(const WordMasks& map);
  /// Sets each layer's value_change to v(word with its faults) - v(word) of its codes as they are
  /// now.
  void apply();
  /// Leaves no layer a value_change.
  static void clear(nn::ModelImpl& model);

 private:
  struct Layer {
    torch::Tensor words;   ///< int16 [2^b]: the word of code k at k + 2^(b-1).
    torch::Tensor values;  ///< float32 [2^word bits]: v of what a word stands for.
    /// By FaultKind; kinds that no source has have no masks. All others have them before the first
    /// map, as a recorded step cannot learn of masks that come later.
    std::array<torch::Tensor, WordMasks::kKinds> masks;  ///< int16 [words], on the device.
  };

  torch::Tensor& masks(size_t layer, size_t kind);
  torch::Tensor faulty(const Layer& layer, const torch::Tensor& words) const;

  nn::Model model_;
  fault::Injector injector_;
  std::vector<Layer> layers_;
};

}  // namespace flatenn::train
