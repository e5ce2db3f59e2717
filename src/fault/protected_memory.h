#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/fault/injector.h"
#include "flatenn/fault/memory_layout.h"
#include "flatenn/fault/protection.h"
#include "flatenn/net/network.h"

namespace flatenn::fault {

/// Check bits of one protected unit: 0, 1 (parity, a word) or 8 (secded, a block of 64 bits).
int check_bits(CheckCode code);
/// Words or blocks of a weight tensor that have check bits; 0 for biases. The last block of a
/// tensor is filled with zeros that are not stored.
int64_t protected_units(CheckCode code, const MemoryTensor& tensor);

/// What bit faults do to one word: flips first, then defects (fault::join_faults).
struct WordMask {
  uint32_t flip = 0;
  uint32_t rise = 0;   ///< flip_0_to_1
  uint32_t fall = 0;   ///< flip_1_to_0
  uint32_t set = 0;    ///< stuck_at_1
  uint32_t clear = 0;  ///< stuck_at_0

  void add(int32_t bit, FaultKind kind);
  uint32_t apply(uint32_t word) const {
    return (((((word ^ flip) | rise) & ~fall) | set) & ~clear);
  }
  uint32_t any() const { return flip | rise | fall | set | clear; }
};

/// A word that is not as stored.
struct WordError {
  int64_t element = 0;
  uint32_t difference = 0;  ///< From the golden word.
  bool zeroed = false;      ///< Read as code 0 whatever its bits.
};

/// A unit whose check bits are faulty.
struct CheckError {
  int64_t unit = 0;
  WordMask mask;
};

/// Lets the check code of a memory act on one tensor. `errors` and `checks` rise by element and
/// unit; `errors` is replaced by what the reader sees.
void read_protected(CheckCode code, bool zero_detected, const net::Weights& weights,
                    Encoding encoding, const std::vector<CheckError>& checks,
                    std::vector<WordError>& errors, FaultCounts& counts);

}  // namespace flatenn::fault
