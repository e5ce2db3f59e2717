#include "engine/general/kernels.h"

#include <iterator>

namespace flatenn::engine::general {
namespace {

constexpr Kernels<Words> kWordKernels[] = {
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

#if defined(__x86_64__)
constexpr Kernels<Bytes> kByteKernels{Isa::kAvx512Vnni, dot_u8s8_avx512vnni,
                                      depthwise_u8s8_avx512vnni, combine_u8_avx512vnni};
#endif

}  // namespace

const Kernels<Words>& word_kernels(Isa isa) {
  for (const Kernels<Words>& kernels : kWordKernels) {
    if (kernels.isa <= isa) return kernels;
  }
  return kWordKernels[std::size(kWordKernels) - 1];
}

const Kernels<Bytes>* byte_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa >= kByteKernels.isa) return &kByteKernels;
#endif
  return nullptr;
}

}  // namespace flatenn::engine::general
