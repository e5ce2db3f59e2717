#pragma once

#include <span>
#include <string>

#include "data/raster.h"

namespace flatenn::data {

/// A PNG picture as it is stored: palettes and fewer bits become bytes, of 16 bits the high byte is
/// taken; gamma and colour profiles are left alone. Throws Error naming `name` where the bytes are
/// no whole PNG picture or claim too many pixels.
Raster read_png(const std::string& name, std::span<const uint8_t> bytes);

}  // namespace flatenn::data
