#pragma once

#include <cstdint>
#include <vector>

#include "engine/chunked/aligned_bytes.h"
#include "engine/chunked/chunked_engine.h"
#include "engine/lanes/program.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine::lanes {

/// One layer's weights as the kernels read them; empty for pools.
struct LayerWeights {
  AlignedVector<int32_t> packed;
  /// What sums start with, for codes stored with 128 added: -128 * the sum of their weights.
  std::vector<int32_t> init;  ///< [channels], or [places][channels] by Winograd's filtering.
  std::vector<float> bias;
};

/// The packed weights of all layers, with changes that can be taken back. Changing touches only the
/// bytes concerned; nothing is allocated once the list of changes has grown.
class NetworkWeights final : public TrialWeights {
 public:
  /// `steps` [layers]; all must outlive this object.
  NetworkWeights(const net::Network& network, const std::vector<Step>& steps);

  const LayerWeights& operator[](int64_t layer) const {
    return layers_[static_cast<size_t>(layer)];
  }
  int64_t bytes() const;

  void apply(const Job& job) override;
  void undo() override;

 private:
  struct Added {
    int32_t layer;
    int32_t delta;
    int64_t element;
  };
  struct OldBias {
    float* at;
    float value;
  };

  /// Adds `delta` to the value of a weight, wherever it is packed.
  void add(size_t layer, int64_t element, int delta);
  void change(const WeightChange& change);

  const net::Network* network_;
  const std::vector<Step>* steps_;
  std::vector<LayerWeights> layers_;
  std::vector<Added> added_;
  std::vector<OldBias> old_biases_;
};

}  // namespace flatenn::engine::lanes
