#pragma once

#include <cstdint>
#include <vector>

#include "fault/draw_key.h"
#include "fault/selection.h"
#include "flatenn/fault/fault_map.h"
#include "flatenn/fault/fault_model.h"

namespace flatenn::fault {

using Selection = std::vector<SelectedTensor>;

/// Every selected bit is faulty on its own with probability `rate` times its position's factor: one
/// stream a (tensor, bit). Appends in population order.
void draw_bits(const FaultSource& source, const Selection& selection, const MemoryLayout& layout,
               double rate, const DrawKey& key, std::vector<Fault>& faults);

/// The first `source.count` distinct sites of one stream over the selected bits. Appends in
/// population order.
void draw_exact_count(const FaultSource& source, const Selection& selection,
                      const MemoryLayout& layout, const DrawKey& key, std::vector<Fault>& faults);

/// Faulty check bits of the selected tensors, each with probability `rate`: one stream a (tensor,
/// check bit). Appends in population order.
void draw_check_bits(const FaultSource& source, const Selection& selection,
                     const MemoryLayout& layout, CheckCode code, double rate, const DrawKey& key,
                     std::vector<Fault>& faults);

/// Bits in a selection.
int64_t count_bits(const Selection& selection, const MemoryLayout& layout);

/// Factor of a bit position; `bits` is the word's length.
double bit_factor(const FaultSource& source, int32_t bit, int bits);
/// `rate` times that factor. Throws Error where this is no probability.
double bit_rate(const FaultSource& source, double rate, int32_t bit, int bits);

}  // namespace flatenn::fault
