#pragma once

#include <filesystem>

#include "flatenn/data/image_set.h"
#include "flatenn/data/picture.h"

namespace flatenn::data {

struct SheetOptions {
  int64_t per_class = 10;  ///< Images in a row.
  int64_t scale = 2;       ///< Side of one image pixel on the sheet.
};

/// One row a class: its number and name, then its first images in the set's order (fewer where
/// there are fewer). Grey images stay grey.
Picture draw_sheet(const ImageSet& images, const SheetOptions& options);

/// Throws Error naming the file where it cannot be written.
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace flatenn::data
