#pragma once

#include <vector>

#include "flatenn/fault/injector.h"

namespace flatenn::fault {

/// Codes outside are clipped when weights are loaded.
struct CodeRange {
  int min = -128;
  int max = 127;
};

/// The range of each weight tensor, golden codes included where the protection asks for it.
std::vector<CodeRange> clip_ranges(const Protection& protection, const net::Network& network,
                                   const MemoryLayout& layout);

/// Clips codes to the ranges; returns how many changed.
int64_t clip_codes(net::Network& network, const MemoryLayout& layout,
                   const std::vector<CodeRange>& ranges);

struct StoredNetwork {
  const net::Network& network;
  const MemoryLayout& layout;
  const FaultModel& model;
  const std::vector<CodeRange>& ranges;  ///< One a weight tensor.
};

/// What the reader of the memory finds: faults, then check code, decoding, clipping.
Injection apply_map(const FaultMap& map, const StoredNetwork& stored);

}  // namespace flatenn::fault
