#pragma once

#include <filesystem>

#include "flatenn/net/network.h"

/// The numbers of a frozen network as safetensors, for programs in Python.
namespace flatenn::interop {

/// Writes, for each conv or linear layer that holds weights: "<layer>.weight" (I8 codes, OIHW; of
/// linear layers [out, in]), "<layer>.weight_scale" (F32, [1] or [out]),
/// "<layer>.weight_zero_point" (I32, as the scales; where there are any), "<layer>.bias" (I32
/// [out], in units of the input's scale times the weight's); for each table "<layer>.table" (I32);
/// for each activation with codes
/// "<activation>.scale" (F32 []) and "<activation>.zero_point" (I32 []). Metadata: "format" =
/// "flatenn", "content_hash", "<layer>.weight_bits", "<layer>.value_map" ("code": v = k; "odd":
/// v = 2k + 1) and the network's own.
void write_weights(const net::Network& network, const std::filesystem::path& path);

/// Puts a file's numbers, under the names above, in place of the network's. Throws Error naming the
/// file and: a tensor that is missing or belongs to nothing, another shape, codes beyond the
/// layer's bits, scales that are no numbers.
void read_weights(net::Network& network, const std::filesystem::path& path);

}  // namespace flatenn::interop
