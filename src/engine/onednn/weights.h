#pragma once

#include <memory>
#include <vector>

#include "engine/chunked/aligned_bytes.h"
#include "engine/chunked/chunked_engine.h"
#include "engine/onednn/fused_layer.h"
#include "engine/onednn/packing.h"

namespace flatenn::engine::onednn {

/// The packed weights and biases of all layers, with changes that can be taken back.
class NetworkWeights final : public TrialWeights {
 public:
  /// `packings` [layers]: null for pools. All must outlive this object.
  NetworkWeights(const net::Network& network, std::vector<const Packing*> packings);
  NetworkWeights(const NetworkWeights& other);

  const int8_t* packed(int64_t layer) const;
  const BiasWord* bias(int64_t layer) const;
  int64_t bytes() const;

  void apply(const Job& job) override;
  void undo() override;

 private:
  struct LayerWeights {
    const Packing* packing = nullptr;
    std::unique_ptr<AlignedBytes> packed;
    std::vector<BiasWord> bias;
  };
  /// A weight before its change, and the sum of its filter where there is one.
  struct OldWeight {
    int8_t* at;
    int8_t value;
    int8_t* sum;
  };
  struct OldBias {
    BiasWord* at;
    BiasWord value;
  };

  static LayerWeights copy(const LayerWeights& other);
  void change(const WeightChange& change);

  const net::Network* network_;
  std::vector<LayerWeights> layers_;
  std::vector<OldWeight> old_weights_;
  std::vector<OldBias> old_biases_;
};

}  // namespace flatenn::engine::onednn
