#pragma once

#include <cstdint>
#include <string>

namespace flatenn::data {

inline constexpr int64_t kGlyphWidth = 5;
inline constexpr int64_t kGlyphHeight = 7;

/// Whether the pixel at (row, column) of a capital letter, digit, '-' or '/' is ink; small letters
/// are drawn as capitals, anything else as a blank.
bool glyph_pixel(char character, int64_t row, int64_t column);

}  // namespace flatenn::data
