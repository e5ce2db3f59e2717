#include "flatenn/base/printable.h"

#include "flatenn/base/utf8.h"

namespace flatenn {
namespace {

std::string escaped(unsigned char byte) {
  if (byte == '\n') return "\\n";
  if (byte == '\t') return "\\t";
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'\\', 'x', kDigits[byte / 16], kDigits[byte % 16]};
}

/// Bytes of the character that starts the text; 0 where none does.
size_t character_size(std::string_view text) {
  for (size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    if (is_utf8(text.substr(0, size))) return size;
  }
  return 0;
}

/// Those that turn the direction of what follows, or end a line: they make a text read as another.
bool is_direction_or_line(std::string_view character) {
  if (character.size() != 3 || character[0] != '\xe2') return false;
  const auto second = static_cast<unsigned char>(character[1]);
  const auto third = static_cast<unsigned char>(character[2]);
  if (second == 0x80)  // U+200E, U+200F, U+2028 to U+202E
    return third == 0x8e || third == 0x8f || (third >= 0xa8 && third <= 0xae);
  return second == 0x81 && third >= 0xa6 && third <= 0xa9;  // U+2066 to U+2069
}

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;  // C1: U+0080 to U+009F
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t size = character_size(text);
    const std::string_view character = text.substr(0, size == 0 ? 1 : size);
    if (size > 0 && !is_control(character) && !is_direction_or_line(character)) {
      out += character;
    } else {
      for (const char byte : character) out += escaped(static_cast<unsigned char>(byte));
    }
    text.remove_prefix(character.size());
  }
  return out;
}

}  // namespace flatenn
