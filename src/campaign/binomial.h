#pragma once

#include <cstdint>

#include "flatenn/base/random.h"

namespace flatenn::campaign {

/// A number of successes of `count` trials that each succeed with probability p in [0, 1]. Takes a
/// time that hardly grows with `count`: the transformed rejection BTRS of Hörmann, "The generation
/// of binomial random variates" (J. Statist. Comput. Simul. 46, 1993) where 10 or more are expected
/// on either side, else inversion of the distribution function.
int64_t draw_binomial(RandomStream& stream, int64_t count, double p);

}  // namespace flatenn::campaign
