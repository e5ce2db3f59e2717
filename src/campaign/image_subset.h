#pragma once

#include <cstdint>
#include <vector>

namespace flatenn::campaign {

/// The first `count` images of the (seed, trial) permutation of [0, images), sorted: a simple
/// random sample without replacement that depends on nothing else, so all models, kinds and rates
/// of a trial look at the same images.
std::vector<int64_t> image_subset(uint64_t seed, int64_t trial, int64_t images, int64_t count);

}  // namespace flatenn::campaign
