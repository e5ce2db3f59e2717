#pragma once

#include <dnnl.hpp>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::engine::onednn {

/// oneDNN 3 scales sums before it adds a bias, which would round in another order, so bias and
/// multiplier are operations after the product there; 2 adds an integer bias first.
inline constexpr bool kBiasAfterProduct = DNNL_VERSION_MAJOR >= 3;
using BiasWord = std::conditional_t<kBiasAfterProduct, float, int32_t>;

/// One conv or linear layer as one oneDNN primitive: codes in, codes out, the arithmetic of
/// net::Layer inside. Activations are NHWC bytes (a linear layer's input is taken as an image that
/// its kernel covers). Holds no weights; any number of threads may run it at once.
class FusedLayer {
 public:
  /// For `batch` images a call. oneDNN chooses its weight layout for it.
  FusedLayer(const dnnl::engine& engine, const net::Network& network, const net::Layer& layer,
             int64_t batch);

  /// What oneDNN calls its implementation: "brgconv:avx512_core_vnni", ...
  std::string implementation() const;
  /// Goes on to oneDNN's next implementation of this layer; false where there is none. Its layout
  /// of weights may be another one.
  bool next_implementation();
  dnnl::memory::desc weights_desc() const { return description_.weights_desc(); }

  struct Buffers {
    const uint8_t* src = nullptr;
    void* dst = nullptr;  ///< Codes or floats; holds the skip's codes on entry, where there is one.
    const int8_t* weights = nullptr;  ///< Packed.
    const BiasWord* bias = nullptr;
  };
  /// What one thread needs to run the layer.
  class Arguments {
   public:
    explicit Arguments(const FusedLayer& layer);

   private:
    friend class FusedLayer;
    dnnl::memory src_, weights_, bias_, dst_;
    std::unordered_map<int, dnnl::memory> all_;
  };
  void run(dnnl::stream& stream, Arguments& arguments, const Buffers& buffers) const;

 private:
  dnnl::primitive_attr attributes(const net::Network& network, const net::Layer& layer);

  dnnl::engine engine_;
  dnnl::memory::desc bias_;
  dnnl::memory multiplier_;  ///< Read by oneDNN 3 at run time.
  dnnl::convolution_forward::primitive_desc description_;
  dnnl::convolution_forward primitive_;
};

}  // namespace flatenn::engine::onednn
