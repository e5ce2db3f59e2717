#pragma once

#include <cstddef>
#include <cstdint>

namespace flatenn::nn {

/// An index of layers or edges for a container of the standard library.
inline size_t index(int64_t i) { return static_cast<size_t>(i); }

}  // namespace flatenn::nn
