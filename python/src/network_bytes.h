#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/net/network.h"

namespace flatenn::python {

/// Every field of a network as CBOR, for pickling: networks of other tools included, which no ONNX
/// writer of ours keeps.
std::vector<uint8_t> network_to_bytes(const net::Network& network);

/// Throws Error where the bytes are none of network_to_bytes, or hold no valid network.
net::Network network_from_bytes(const std::vector<uint8_t>& bytes);

}  // namespace flatenn::python
