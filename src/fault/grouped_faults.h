#pragma once

#include <vector>

#include "fault/draw_key.h"
#include "fault/random_bits.h"

/// Faults that hit several bits at once. Within one source a bit is faulty once: where events
/// overlap, the one with the smaller uniform (the one that is there at lower rates too) gives the
/// kind. All append in population order.
namespace flatenn::fault {

/// Each word is hit with probability `rate`; `source.length` of its bits are faulty: beside each
/// other at a uniform place, or any set of so many where the source is scattered. Shorter words are
/// faulty whole.
void draw_words(const FaultSource& source, const Selection& selection, const MemoryLayout& layout,
                double rate, const DrawKey& key, std::vector<Fault>& faults);

/// At each stored bit a run of `source.length` bits begins with probability `rate`, in population
/// order; it ends with its tensor.
void draw_bursts(const FaultSource& source, const Selection& selection, const MemoryLayout& layout,
                 double rate, const DrawKey& key, std::vector<Fault>& faults);

/// Each row, column or cell (source.unit) of each array is faulty with probability `rate`.
void draw_array(const FaultSource& source, const Selection& selection, const ArrayMap& arrays,
                double rate, const DrawKey& key, std::vector<Fault>& faults);

/// The bits of a word that `pattern` in [0, 1) stands for, as a mask.
uint32_t word_pattern(int bits, int length, bool scattered, double pattern);

}  // namespace flatenn::fault
