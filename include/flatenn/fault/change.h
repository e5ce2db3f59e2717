#pragma once

#include <cstdint>

namespace flatenn::fault {

/// A stored weight code that differs from the network's.
struct WeightChange {
  int32_t layer = 0;    ///< Index into Network::layers.
  int64_t element = 0;  ///< OIHW row-major.
  int8_t code = 0;      ///< The code found in its place.

  bool operator==(const WeightChange&) const = default;
};

/// A stored bias that differs from the network's.
struct BiasChange {
  int32_t layer = 0;    ///< Index into Network::layers.
  int64_t channel = 0;  ///< Output channel.
  int32_t value = 0;    ///< The bias found in its place.

  bool operator==(const BiasChange&) const = default;
};

}  // namespace flatenn::fault
