#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// The first place, in layer order, where two engines disagree.
struct Difference {
  std::string layer;
  std::string activation;
  int64_t image = 0;    ///< Index in the data set.
  int64_t element = 0;  ///< CHW row-major.
  double first = 0;     ///< Code, or logit, of the first engine.
  double second = 0;
  int64_t differing = 0;  ///< Elements of this activation that differ, over all images looked at.
  std::string describe() const;
};

/// Compares codes after every layer and then the logits, bit for bit.
std::optional<Difference> first_difference(Engine& first, Engine& second,
                                           const net::Network& network, const ImageCodes& codes,
                                           const Job& job = {});

}  // namespace flatenn::engine
