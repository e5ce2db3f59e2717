#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/chunked/aligned_bytes.h"
#include "engine/chunked/chunked_engine.h"
#include "engine/onednn/fused_layer.h"

namespace flatenn::engine::onednn {

/// How one layer's weights reach oneDNN's layout; shared by all copies of them.
class Packing {
 public:
  Packing(const dnnl::engine& engine, const FusedLayer& layer);
  int64_t bytes() const { return static_cast<int64_t>(packed_.get_size()); }
  /// Where a weight is, so that it can be changed in place; null where the layer has to be packed
  /// again.
  const BlockedLayout* layout() const { return layout_ ? &*layout_ : nullptr; }
  void pack(dnnl::stream& stream, const int8_t* values, int8_t* packed) const;

 private:
  bool layout_holds() const;

  dnnl::engine engine_;
  dnnl::memory::desc plain_;
  dnnl::memory::desc packed_;
  dnnl::reorder reorder_;
  std::optional<BlockedLayout> layout_;
};

/// The packed weights and biases of all layers, with changes that can be taken back: byte by byte,
/// or by packing again the changed layers that carry compensation.
class NetworkWeights final : public TrialWeights {
 public:
  /// `packings` [layers]: null for pools. All must outlive this object.
  NetworkWeights(const dnnl::engine& engine, const net::Network& network,
                 std::vector<const Packing*> packings);
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
    std::vector<int8_t> values;  ///< OIHW; only where the layer has to be packed again.
    std::vector<BiasWord> bias;
    bool stale = false;
  };
  template <typename T>
  struct Old {
    T* at;
    T value;
  };

  static LayerWeights copy(const LayerWeights& other);
  void change(const WeightChange& change);
  void pack_stale();

  const net::Network* network_;
  dnnl::stream stream_;
  std::vector<LayerWeights> layers_;
  std::vector<Old<int8_t>> old_values_;
  std::vector<Old<BiasWord>> old_biases_;
  std::vector<LayerWeights*> stale_;
};

}  // namespace flatenn::engine::onednn
