#pragma once

#include <string>

#include "flatenn/net/network.h"

/// Fixed-point requantization as metadata of an ONNX file, whose operators round in float.
namespace flatenn::interop {

/// "multiplier:shift" for each factor, separated by spaces, "once" in front where
/// it rounds once; "codes" for an average without
/// factors; empty for layers that requantize in float.
std::string fixed_point_text(const net::Layer& layer);

/// Gives layers what the network's metadata "layer.NAME.fixed_point" says of them. Throws Error
/// where that is no such text.
void read_fixed_point(net::Network& network);

}  // namespace flatenn::interop
