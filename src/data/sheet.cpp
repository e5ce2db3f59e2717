#include "flatenn/data/sheet.h"

#include <algorithm>
#include <array>

#include "data/font.h"
#include "data/png.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::data {
namespace {

constexpr int64_t kGap = 4;
constexpr int64_t kLetterScale = 2;
constexpr int64_t kLetterStep = (kGlyphWidth + 1) * kLetterScale;
constexpr int64_t kLetterHeight = kGlyphHeight * kLetterScale;
constexpr uint8_t kPaper = 255;
constexpr uint8_t kInk = 32;

using Colour = std::array<uint8_t, 3>;

void fill_square(Picture& sheet, int64_t top, int64_t left, int64_t side, const Colour& colour) {
  for (int64_t row = top; row < top + side; ++row) {
    for (int64_t column = left; column < left + side; ++column) {
      std::copy(colour.begin(), colour.end(), sheet.rgb.begin() + 3 * (row * sheet.width + column));
    }
  }
}

void draw_text(Picture& sheet, int64_t top, int64_t left, const std::string& text) {
  for (const char character : text) {
    for (int64_t row = 0; row < kGlyphHeight; ++row) {
      for (int64_t column = 0; column < kGlyphWidth; ++column) {
        if (!glyph_pixel(character, row, column)) continue;
        fill_square(sheet, top + row * kLetterScale, left + column * kLetterScale, kLetterScale,
                    {kInk, kInk, kInk});
      }
    }
    left += kLetterStep;
  }
}

void draw_image(Picture& sheet, int64_t top, int64_t left, const ImageSet& images, int64_t image,
                int64_t scale) {
  const int64_t plane = images.height * images.width;
  const uint8_t* pixels = images.pixels.data() + image * images.image_elements();
  for (int64_t row = 0; row < images.height; ++row) {
    for (int64_t column = 0; column < images.width; ++column) {
      const uint8_t* at = pixels + row * images.width + column;
      const Colour colour = images.channels == 3 ? Colour{at[0], at[plane], at[2 * plane]}
                                                 : Colour{at[0], at[0], at[0]};
      fill_square(sheet, top + row * scale, left + column * scale, scale, colour);
    }
  }
}

std::string row_title(const ImageSet& images, size_t label) {
  const std::string number = std::to_string(label);
  const std::string& name = images.class_names[label];
  return name == number ? number : number + " " + name;
}

/// Indices of the first images of a class.
std::vector<int64_t> first_of_class(const ImageSet& images, size_t label, int64_t wanted) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < images.count && std::ssize(found) < wanted; ++i) {
    if (images.labels[static_cast<size_t>(i)] == label) found.push_back(i);
  }
  return found;
}

}  // namespace

Picture draw_sheet(const ImageSet& images, const SheetOptions& options) {
  FLATENN_CHECK(options.per_class > 0 && options.scale > 0,
                "draw_sheet: per_class and scale must be positive, got ", options.per_class,
                " and ", options.scale);
  size_t letters = 0;
  for (size_t label = 0; label < images.class_names.size(); ++label) {
    letters = std::max(letters, row_title(images, label).size());
  }
  const int64_t title_width = static_cast<int64_t>(letters) * kLetterStep + kGap;
  const int64_t row_height = std::max(images.height * options.scale, kLetterHeight) + kGap;
  const int64_t column_width = images.width * options.scale + kGap;
  Picture sheet{.width = kGap + title_width + options.per_class * column_width,
                .height = kGap + static_cast<int64_t>(images.class_names.size()) * row_height};
  sheet.rgb.assign(static_cast<size_t>(3 * sheet.width * sheet.height), kPaper);
  int64_t top = kGap;
  for (size_t label = 0; label < images.class_names.size(); ++label, top += row_height) {
    const int64_t letter_top = top + (row_height - kGap - kLetterHeight) / 2;
    draw_text(sheet, letter_top, kGap, row_title(images, label));
    int64_t left = kGap + title_width;
    for (const int64_t image : first_of_class(images, label, options.per_class)) {
      draw_image(sheet, top, left, images, image, options.scale);
      left += column_width;
    }
  }
  return sheet;
}

void write_png(const std::filesystem::path& path, const Picture& picture) {
  write_file_atomically(path, encode_png(picture));
}

}  // namespace flatenn::data
