#pragma once

#include <vector>

#include "fault/weight_reader.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {

/// The range of each weight tensor, golden codes included where the protection asks for it.
std::vector<CodeRange> clip_ranges(const Protection& protection, const net::Network& network,
                                   const MemoryLayout& layout);

/// Clips codes to the ranges; returns how many changed.
int64_t clip_codes(net::Network& network, const MemoryLayout& layout,
                   const std::vector<CodeRange>& ranges);

/// Throws Error naming the first site that is outside the memory or its check bits.
void check_sites(const FaultMap& map, const MemoryLayout& layout, CheckCode code);

/// What the reader of the memory finds: faults, then check code, decoding, clipping. The map's
/// sites are in the memory, in order. What `injection` held is replaced; its memory is used again.
void apply_map(const FaultMap& map, const StoredNetwork& stored, Injection& injection);

}  // namespace flatenn::fault
