#include "flatenn/base/utf8.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace flatenn {
namespace {

/// Code points that take `length` bytes begin here; smaller ones must take fewer.
constexpr std::array<uint32_t, 5> kFirst = {0, 0, 0x80, 0x800, 0x10000};
constexpr uint32_t kLast = 0x10FFFF;

/// Bytes of the character that begins with this one; 0 where none does.
size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC0 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF8 ? 4 : 0;
}

bool is_surrogate(uint32_t point) { return point >= 0xD800 && point < 0xE000; }

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    const size_t length = length_of(first);
    if (length == 0 || length > text.size()) return false;
    uint32_t point = length == 1 ? first : first & (0x7FU >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if ((byte & 0xC0U) != 0x80) return false;
      point = point << 6 | (byte & 0x3FU);
    }
    if (point < kFirst[length] || point > kLast || is_surrogate(point)) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace flatenn
