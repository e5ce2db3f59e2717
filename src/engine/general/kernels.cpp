#include "engine/general/kernels.h"

#include <iterator>

namespace flatenn::engine::general {
namespace {

constexpr Kernels kKernels[] = {
#define FLATENN_GENERAL_KERNEL(isa, name) \
  {isa,                                   \
   dot_s16_##name,                        \
   depthwise_s16_##name,                  \
   combine_s16_##name,                    \
   to_tiles_s16_##name,                   \
   from_tiles_s16_##name},
#include "engine/kernels/general/kernels.inc"
#undef FLATENN_GENERAL_KERNEL
};

}  // namespace

const Kernels& kernels_for(Isa isa) {
  for (const Kernels& kernels : kKernels) {
    if (kernels.isa <= isa) return kernels;
  }
  return kKernels[std::size(kKernels) - 1];
}

}  // namespace flatenn::engine::general
