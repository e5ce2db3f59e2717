#pragma once

#include <filesystem>
#include <string>

#include "flatenn/net/network.h"

namespace flatenn::net {

/// Reads a frozen network from an ONNX file in QDQ form (as write_onnx makes, or an equivalent made
/// elsewhere), or from the model.onnx of a run folder. Throws Error naming the file, and the node
/// with its operator or type where one is not supported.
Network read_onnx(const std::filesystem::path& path);

/// Writes opset 13: int8/uint8 QuantizeLinear and DequantizeLinear with Clip to the b-bit range,
/// batch norm inside per-channel weight scales, int32 biases. Codes, scales and metadata survive
/// the round trip exactly; any ONNX runtime can run the file. The write is atomic.
void write_onnx(const Network& network, const std::filesystem::path& path);

/// SHA-256 of everything that decides the network's outputs (structure, codes, scales, biases);
/// metadata and names of the file are not part of it.
std::string content_hash(const Network& network);

}  // namespace flatenn::net
