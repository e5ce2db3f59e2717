#include "memory.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>

#include "flatenn/base/error.h"

namespace flatenn::python {
namespace {

using Codes = nb::ndarray<const int8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Scales = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
/// Name, codes [out, in, height, width], bits, scales ([1] or [out]), odd values, linear.
using Tensor = std::tuple<std::string, Codes, int, Scales, bool, bool>;

net::Layer layer_of(const Tensor& tensor) {
  const auto& [name, codes, bits, scales, odd, linear] = tensor;
  net::Layer layer;
  layer.name = name;
  layer.kind = linear ? net::LayerKind::kLinear : net::LayerKind::kConv;
  net::Weights& weights = layer.weights;
  weights.out_channels = static_cast<int64_t>(codes.shape(0));
  weights.in_channels = static_cast<int64_t>(codes.shape(1));
  weights.kernel_height = static_cast<int64_t>(codes.shape(2));
  weights.kernel_width = static_cast<int64_t>(codes.shape(3));
  weights.bits = bits;
  weights.value_map = odd ? net::ValueMap::kOdd : net::ValueMap::kCode;
  weights.codes.assign(codes.data(), codes.data() + codes.size());
  weights.scales.assign(scales.data(), scales.data() + scales.size());
  return layer;
}

/// Weight tensors as a memory holds them, with no network around.
NetworkHandle of_memory(const std::string& name, const std::vector<Tensor>& tensors) {
  auto network = std::make_shared<net::Network>();
  network->name = name;
  for (const Tensor& tensor : tensors) network->layers.push_back(layer_of(tensor));
  check_memory(*network);
  return {network};
}

bool holds(const net::Weights& weights) {
  int64_t elements = 1;
  for (const int64_t extent :
       {weights.out_channels, weights.in_channels, weights.kernel_height, weights.kernel_width}) {
    if (extent < 1 || extent > std::ssize(weights.codes)) return false;
    elements *= extent;
    if (elements > std::ssize(weights.codes)) return false;
  }
  return elements == std::ssize(weights.codes);
}

}  // namespace

void check_memory(const net::Network& network) {
  FLATENN_CHECK(network.activations.empty(), "network ", network.name, ": holds activations");
  for (const net::Layer& layer : network.layers) {
    const net::Weights& weights = layer.weights;
    FLATENN_CHECK(layer.multiplies() && layer.twin < 0 && layer.bias.empty(), "layer ", layer.name,
                  ": holds more than weights");
    FLATENN_CHECK(holds(weights), "layer ", layer.name, ": its codes are not as many as its shape ",
                  "says");
    FLATENN_CHECK(weights.bits >= 2 && weights.bits <= 8, "layer ", layer.name,
                  ": bits must be in [2, 8], got ", weights.bits);
    const int half = 1 << (weights.bits - 1);
    FLATENN_CHECK(std::all_of(weights.codes.begin(), weights.codes.end(),
                              [half](int code) { return code >= -half && code < half; }),
                  "layer ", layer.name, ": a code is outside of its ", weights.bits, " bits");
    FLATENN_CHECK(
        std::ssize(weights.scales) == 1 || std::ssize(weights.scales) == weights.out_channels,
        "layer ", layer.name, ": expected one scale or one a channel, got ", weights.scales.size());
    FLATENN_CHECK(weights.zero_points.empty(), "layer ", layer.name, ": has zero points");
  }
}

void bind_memory(nb::class_<NetworkHandle>& type) {
  type.def_static("of_memory", of_memory, nb::arg("name"), nb::arg("tensors"),
                  "Weight tensors without a network around; it cannot be run.");
}

}  // namespace flatenn::python
