#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/fault/encoding.h"

namespace flatenn::fault {

/// Codes that lie outside are clipped when weights are loaded.
struct CodeRange {
  int min = -128;
  int max = 127;
};

/// encode() and decode() of one tensor as tables, clipping after decoding included.
class WordTable {
 public:
  /// Codes of `bits` bits.
  WordTable(int bits, Encoding encoding, const CodeRange& range);

  /// The word of a code; 0 for a code that has none.
  uint32_t word(int8_t code) const { return words_[static_cast<size_t>(code + half_)]; }
  struct Entry {
    int8_t code = 0;  ///< As decoded, then clipped.
    bool clipped = false;
    uint8_t ones = 0;  ///< Bits set in the word.
  };
  const Entry& entry(uint32_t word) const { return entries_[word]; }
  const Entry& zero() const { return zero_; }  ///< What a word that reads as code 0 becomes.
  int ones(uint32_t word) const { return entries_[word].ones; }

 private:
  int half_;
  std::vector<uint16_t> words_;
  std::vector<Entry> entries_;
  Entry zero_;
};

}  // namespace flatenn::fault
