#pragma once

#include <cstdint>
#include <vector>

#include "fault/selection.h"
#include "flatenn/fault/fault_map.h"
#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {

/// What a source's random streams depend on. `source` is its place in the model: sources draw from
/// streams of their own.
struct DrawKey {
  uint64_t seed = 0;
  uint64_t trial = 0;
  uint64_t source = 0;
};

/// Every selected bit is faulty on its own with probability `rate`: one stream a (tensor, bit).
/// Appends in population order.
void draw_bits_at_rate(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout,
                       const KindShares& kinds, double rate, const DrawKey& key,
                       std::vector<Fault>& faults);

/// The first `count` distinct sites of one stream over the selected bits. Appends in population
/// order.
void draw_exact_count(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout,
                      const KindShares& kinds, int64_t count, const DrawKey& key,
                      std::vector<Fault>& faults);

/// Bits in a selection.
int64_t selected_bits(const std::vector<SelectedTensor>& selection, const MemoryLayout& layout);

}  // namespace flatenn::fault
