#include "network_bytes.h"

#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "memory.h"

/// Lists of each type's fields; a field that is missing there is found by the test which pickles
/// every kind of network and compares content hashes and logits.
namespace flatenn::net {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Shape, channels, height, width)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Activation, name, shape, bits, is_signed, scale, zero_point,
                                   is_float)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Window, kernel_height, kernel_width, stride_height, stride_width,
                                   dilation_height, dilation_width, top, left, bottom, right)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImageTransform, raw_pixels, factor, shift, half_away)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FixedPoint, multiplier, shift)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Weights, out_channels, in_channels, kernel_height, kernel_width,
                                   bits, value_map, codes, scales, zero_points)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Layer, name, kind, src, dst, skip, others, window, groups, relu,
                                   count_padding, low, high, weights, bias, twin, table, order,
                                   requantization, factors)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Network, name, activations, layers, image, metadata)

}  // namespace flatenn::net

namespace flatenn::python {

std::vector<uint8_t> network_to_bytes(const net::Network& network) {
  return nlohmann::json::to_cbor(nlohmann::json(network));
}

net::Network network_from_bytes(const std::vector<uint8_t>& bytes) {
  try {
    auto network = nlohmann::json::from_cbor(bytes).get<net::Network>();
    if (network.activations.empty()) {
      check_memory(network);
    } else {
      network.validate();
    }
    return network;
  } catch (const nlohmann::json::exception& error) {
    throw Error(std::string("network: not as flatenn pickles it: ") + error.what());
  }
}

}  // namespace flatenn::python
