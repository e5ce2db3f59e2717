#include "fault/word_table.h"

#include <algorithm>
#include <bit>

namespace flatenn::fault {
namespace {

WordTable::Entry clip(int code, const CodeRange& range) {
  const int clipped = std::clamp(code, range.min, range.max);
  return {.code = static_cast<int8_t>(clipped), .clipped = clipped != code};
}

}  // namespace

WordTable::WordTable(int bits, Encoding encoding, const CodeRange& range)
    : half_(1 << (bits - 1)), zero_(clip(0, range)) {
  for (int code = -half_; code < half_; ++code) {
    const bool has_word = code != -half_ || has_lowest(encoding);
    words_.push_back(has_word ? encode(static_cast<int8_t>(code), bits, encoding) : uint16_t{0});
  }
  for (uint32_t word = 0; word < uint32_t{1} << word_bits(bits, encoding); ++word) {
    Entry entry = clip(decode(static_cast<uint16_t>(word), bits, encoding), range);
    entry.ones = static_cast<uint8_t>(std::popcount(word));
    entries_.push_back(entry);
  }
}

}  // namespace flatenn::fault
