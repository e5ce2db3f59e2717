#pragma once

#include <cstddef>
#include <cstdint>

#include "flatenn/base/mappable_vector.h"
#include "flatenn/data/image_set.h"

namespace flatenn::engine {

/// Room for the codes of images.
struct CodeRoom {
  MappableVector<int8_t> codes;
  int8_t* to = nullptr;  ///< Where they are written; lives as long as `codes`.
};

/// In memory; where the pixels are mapped and the codes more than so many bytes, in a file of the
/// cache folder that has no name. Throws Error naming the folder where there is too little room.
CodeRoom room_for_codes(const data::ImageSet& images, size_t most_in_memory);

}  // namespace flatenn::engine
