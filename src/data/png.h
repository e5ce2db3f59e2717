#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "flatenn/data/picture.h"

namespace flatenn::data {

/// Throws Error naming `name` where the bytes are no PNG file.
Picture decode_png(const std::string& name, std::span<const uint8_t> png);

std::string encode_png(const Picture& picture);

}  // namespace flatenn::data
