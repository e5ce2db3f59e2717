#pragma once

#include <filesystem>
#include <string>

#include "data/geometry.h"

namespace flatenn::data {

/// Whether a file of this name is taken for a picture: .png, .jpg and .jpeg, in any case.
bool is_picture_name(const std::string& name);
/// Whether torchvision's ImageFolder would read it, but flatenn does not: .bmp, .webp, ...
bool is_foreign_picture_name(const std::string& name);

/// Throws Error naming the file where it cannot be read or is too large for a picture.
std::string read_image_bytes(const std::filesystem::path& path);

/// A PNG or JPEG picture, whichever its content is, with so many channels. Throws Error naming it
/// where it is neither, damaged, cut short, or claims too many pixels.
Raster decode_image(const std::string& name, const std::string& content, int64_t channels);

/// Whether a picture has no colours, as its head says; false where it is no PNG or JPEG picture.
bool is_grey(const std::string& content);

}  // namespace flatenn::data
