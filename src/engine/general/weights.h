#pragma once

#include <memory>
#include <vector>

#include "engine/chunked/aligned_bytes.h"
#include "engine/chunked/chunked_engine.h"
#include "engine/general/product.h"

namespace flatenn::engine::general {

/// Products, and the planes they read; shared by all copies of the weights.
struct Layout {
  std::vector<Plane> planes;      ///< [activations]
  std::vector<Product> products;  ///< [layers]; empty where nothing is multiplied.
  std::vector<std::vector<int64_t>>
      users;  ///< [layers]: itself and the twins that use its weights.
};

/// The packed weights and biases of all layers, with changes that can be taken back.
template <class Store>
class GeneralWeights final : public TrialWeights {
 public:
  /// Both must outlive this object.
  GeneralWeights(const net::Network& network, const Layout& layout);

  using Weight = typename Store::Weight;

  const Weight* words(int64_t layer) const {
    return layers_[static_cast<size_t>(layer)].words.data();
  }
  /// What sums start with.
  const int32_t* start(int64_t layer) const {
    return layers_[static_cast<size_t>(layer)].start.data();
  }
  const float* bias(int64_t layer) const { return layers_[static_cast<size_t>(layer)].bias.data(); }
  /// The same as integers, for layers that requantize in fixed point.
  const int32_t* whole_bias(int64_t layer) const {
    return layers_[static_cast<size_t>(layer)].whole_bias.data();
  }
  int64_t bytes() const;

  void apply(const Job& job) override;
  void undo() override;

 private:
  struct LayerWeights {
    AlignedVector<Weight> words;
    std::vector<int16_t> values;   ///< As OIHW, where tiles hold sums of them; else empty.
    AlignedVector<int32_t> start;  ///< [groups, blocks, kBlock], as both biases.
    AlignedVector<float> bias;
    std::vector<int32_t> whole_bias;
  };
  struct OldValue {
    int64_t layer;
    int64_t element;
    int16_t value;
  };
  struct OldBias {
    int64_t layer;
    int64_t channel;
    int32_t value;
  };

  /// In parts.
  int16_t exchange(const Product& product, int64_t place, int value, LayerWeights& weights);
  /// Both return the one before.
  int16_t set_value(int64_t layer, int64_t element, int16_t value);
  int32_t set_bias(int64_t layer, int64_t channel, int32_t value);
  /// What is packed for a code.
  int16_t value(int64_t layer, int64_t element, int8_t code) const;

  const net::Network* network_;
  const Layout* layout_;
  std::vector<LayerWeights> layers_;
  std::vector<OldValue> old_values_;
  std::vector<OldBias> old_biases_;
};

}  // namespace flatenn::engine::general
