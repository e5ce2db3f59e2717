#pragma once

#include <cstdint>
#include <vector>

namespace flatenn::data {

/// An 8-bit RGB picture.
struct Picture {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;  ///< [height, width, 3] row-major.
};

}  // namespace flatenn::data
