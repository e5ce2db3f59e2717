#pragma once

#include <cstdint>
#include <vector>

#include "engine/chunked/chunked_engine.h"
#include "engine/lanes/plan.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine::lanes {

/// One layer's weights as the kernels read them; empty for pools.
struct LayerWeights {
  std::vector<int32_t> packed;
  std::vector<int32_t> init;  ///< [channels]: -128 * sum of values where the source is signed.
  std::vector<float> bias;
};

/// The packed weights of all layers, with changes that can be taken back. Changing touches only the
/// bytes concerned; nothing is allocated once the list of old values has grown.
class NetworkWeights final : public TrialWeights {
 public:
  /// `plans` [layers]: null for pools. All must outlive this object.
  NetworkWeights(const net::Network& network, std::vector<const LayerPlan*> plans);

  const LayerWeights& operator[](int64_t layer) const {
    return layers_[static_cast<size_t>(layer)];
  }
  int64_t bytes() const;

  void apply(const Job& job) override;
  void undo() override;

 private:
  template <typename T>
  struct Old {
    T* at;
    T value;
  };

  void change(const WeightChange& change);

  const net::Network* network_;
  std::vector<const LayerPlan*> plans_;
  std::vector<LayerWeights> layers_;
  std::vector<Old<int8_t>> old_values_;
  std::vector<Old<int32_t>> old_inits_;
  std::vector<Old<float>> old_biases_;
};

}  // namespace flatenn::engine::lanes
