#pragma once

#include "flatenn/fault/injector.h"

namespace flatenn::fault {

/// What bits faults do to one word: ((x ^ flip) | set) & ~clear.
struct WordMask {
  uint32_t flip = 0;
  uint32_t set = 0;
  uint32_t clear = 0;

  void add(int32_t bit, FaultKind kind);
  uint32_t apply(uint32_t word) const { return ((word ^ flip) | set) & ~clear; }
};

/// Applies a map to the network's stored words, without protection.
Injection apply_map(const FaultMap& map, const net::Network& network, const MemoryLayout& layout,
                    Encoding encoding);

}  // namespace flatenn::fault
