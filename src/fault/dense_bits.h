#pragma once

#include "fault/draw_key.h"
#include "fault/selection.h"
#include "fault/word_masks.h"
#include "flatenn/fault/memory_layout.h"

namespace flatenn::fault {

/// Faults a word above which masks are quicker than lists: looking through the masks of words
/// without faults costs about what a list costs for every hundredth word.
inline constexpr double kDenseFaults = 1.0 / 128;

/// draw_bits() for one tensor of weights, with the same faults, joined to those in `masks` as
/// join_faults() does.
void draw_masks(const FaultSource& source, const SelectedTensor& selected,
                const MemoryTensor& tensor, double rate, const DrawKey& key, WordMasks& masks);

}  // namespace flatenn::fault
