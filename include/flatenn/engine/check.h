#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

/// Told after every block of images.
using CheckObserver = std::function<void(int64_t done, int64_t images)>;

/// Compares codes after every layer and then the logits, bit for bit, of `first` with each of the
/// others; nothing where all are equal. `first` runs once for all of them.
std::vector<std::optional<Difference>> first_differences(
    Engine& first, std::span<Engine* const> others, const net::Network& network,
    const ImageCodes& codes, const Job& job = {}, const CheckObserver& observer = {});
/// The same for one other engine.
std::optional<Difference> first_difference(Engine& first, Engine& second,
                                           const net::Network& network, const ImageCodes& codes,
                                           const Job& job = {});

}  // namespace flatenn::engine
