#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/fault/memory_layout.h"

namespace flatenn::fault {

/// The last two turn a bit that is 0 or 1 alone, and leave the other value as it is.
enum class FaultKind : uint8_t { kBitFlip, kStuckAt0, kStuckAt1, kFlip0To1, kFlip1To0 };

/// "bit_flip", "stuck_at_0", "stuck_at_1", "flip_0_to_1", "flip_1_to_0": in the enumeration's
/// order.
const std::vector<std::string>& fault_kind_names();
/// Throws Error listing the choices.
FaultKind parse_fault_kind(const std::string& name);
std::string to_string(FaultKind kind);

/// One stored bit.
struct FaultSite {
  int32_t tensor = 0;   ///< Index into MemoryLayout::tensors.
  int32_t bit = 0;      ///< 0 is the least significant.
  int64_t element = 0;  ///< Row-major within the tensor.

  bool operator==(const FaultSite&) const = default;
};

struct Fault {
  FaultSite site;
  FaultKind kind = FaultKind::kBitFlip;

  bool operator==(const Fault&) const = default;
};

/// Population order: tensor, element, bit; then kind.
bool operator<(const Fault& a, const Fault& b);

/// The faults of one trial, in population order, at most one a bit.
struct FaultMap {
  std::vector<Fault> faults;
  /// Faults in check bits of a protected memory: `element` is the protected word or block, `bit`
  /// its check bit.
  std::vector<Fault> check_faults;

  bool operator==(const FaultMap&) const = default;
};

/// Leaves one fault a bit, with the same effect as first ((x ^ bit_flip) | flip_0_to_1) &
/// ~flip_1_to_0 and then (x | stuck_at_1) & ~stuck_at_0: two flips undo each other, a flip of one
/// direction hides those of both, stuck-at hides flips, stuck-at-0 hides stuck-at-1. `faults` is
/// sorted.
void join_faults(std::vector<Fault>& faults);

/// Throws Error naming the site where it is outside the memory.
void check_site(const FaultSite& site, const MemoryLayout& layout);

/// For maps that are lists of defects: throws Error naming the fault where a site is outside the
/// memory, stands twice, or is out of order.
void check_map(const FaultMap& map, const MemoryLayout& layout);

}  // namespace flatenn::fault
