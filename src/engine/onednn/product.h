#pragma once

#include <dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::engine::onednn {

/// Engine and stream of oneDNN for the CPU.
struct Context {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

/// The integer sums of one conv or linear layer on a batch: codes NHWC (a linear layer's input
/// taken as an image its kernel covers), sums NHWC int32.
class Product {
 public:
  /// oneDNN chooses its weight layout for this batch size.
  Product(const Context& context, const net::Network& network, const net::Layer& layer,
          int64_t batch);

  /// Packs values (not codes) of all weights, OIHW row-major.
  void pack(const std::vector<int8_t>& values);
  void run(const uint8_t* src, int32_t* dst);

 private:
  const Context& context_;
  dnnl::memory::desc plain_weights_;
  dnnl::convolution_forward::primitive_desc description_;
  dnnl::convolution_forward primitive_;
  dnnl::memory weights_;
  dnnl::memory src_;
  dnnl::memory dst_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

}  // namespace flatenn::engine::onednn
