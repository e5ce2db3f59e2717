#pragma once

#include <span>
#include <string>

#include "data/raster.h"

namespace flatenn::data {

/// A JPEG picture as grey or RGB. CMYK is taken as Adobe's programs write it, inverted, and becomes
/// RGB as in Pillow's convert(); Exif orientation is left alone. Throws Error naming `name` where
/// the bytes are no whole JPEG picture or claim too many pixels.
Raster read_jpeg(const std::string& name, std::span<const uint8_t> bytes);

}  // namespace flatenn::data
