#pragma once

#include <cstdint>

/// Hopper's warpgroup matrix instructions on bytes: d[64, n] += a[64, 32] * b[n, 32]^T in int32,
/// wrapping.
///
/// Both operands lie in shared memory, K contiguous, described by descriptor(). A holds codes (u8
/// or s8), B weight values (s8). A thread's d[4 j + 2 h + i] is row 16 (warp % 4) + lane / 4 + 8 h,
/// column 8 j + 2 (lane % 4) + i. PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions".
namespace flatenn::engine::cuda {

/// Rows of `kRowBytes` bytes (16, 32, 64, 128), one after the other, permuted by the swizzle of
/// that width. With 16-byte rows the second half of K lies `half_distance` bytes further on.
template <int kRowBytes>
__device__ __forceinline__ uint64_t descriptor(uint32_t address, uint32_t half_distance = 16) {
  constexpr uint64_t kSwizzle = kRowBytes == 128  ? 1
                                : kRowBytes == 64 ? 2
                                : kRowBytes == 32 ? 3
                                                  : 0;
  constexpr uint64_t kEightRows = 8 * kRowBytes;
  return static_cast<uint64_t>((address & 0x3FFFF) >> 4) |
         static_cast<uint64_t>(half_distance >> 4) << 16 | (kEightRows >> 4) << 32 | kSwizzle << 62;
}

__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most `kPending` committed groups are unfinished.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

/// Wgmma<n>::multiply<kSignedA>(d, a, b) issues one instruction.
template <int kColumns>
struct Wgmma;

#define FLATENN_EIGHT(d, i)                                                                   \
  "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3]), "+r"(d[i + 4]), "+r"(d[i + 5]), \
      "+r"(d[i + 6]), "+r"(d[i + 7])

#define FLATENN_WGMMA_16(type)                                    \
  asm volatile("wgmma.mma_async.sync.aligned.m64n16k32.s32." type \
               ".s8 {"                                            \
               "%0, %1, %2, %3, %4, %5, %6, %7}, "                \
               "%8, %9, 1;"                                       \
               : FLATENN_EIGHT(d, 0)                              \
               : "l"(a), "l"(b))

template <>
struct Wgmma<16> {
  template <bool kSignedA>
  static __device__ __forceinline__ void multiply(int32_t (&d)[8], uint64_t a, uint64_t b) {
    if constexpr (kSignedA) {
      FLATENN_WGMMA_16("s8");
    } else {
      FLATENN_WGMMA_16("u8");
    }
  }
};

#define FLATENN_WGMMA_32(type)                                                           \
  asm volatile("wgmma.mma_async.sync.aligned.m64n32k32.s32." type                        \
               ".s8 {"                                                                   \
               "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, " \
               "%16, %17, 1;"                                                            \
               : FLATENN_EIGHT(d, 0), FLATENN_EIGHT(d, 8)                                \
               : "l"(a), "l"(b))

template <>
struct Wgmma<32> {
  template <bool kSignedA>
  static __device__ __forceinline__ void multiply(int32_t (&d)[16], uint64_t a, uint64_t b) {
    if constexpr (kSignedA) {
      FLATENN_WGMMA_32("s8");
    } else {
      FLATENN_WGMMA_32("u8");
    }
  }
};

#define FLATENN_WGMMA_64(type)                                                                     \
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k32.s32." type                                  \
               ".s8 {"                                                                             \
               "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "            \
               "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, " \
               "%32, %33, 1;"                                                                      \
               : FLATENN_EIGHT(d, 0), FLATENN_EIGHT(d, 8), FLATENN_EIGHT(d, 16),                   \
                 FLATENN_EIGHT(d, 24)                                                              \
               : "l"(a), "l"(b))

template <>
struct Wgmma<64> {
  template <bool kSignedA>
  static __device__ __forceinline__ void multiply(int32_t (&d)[32], uint64_t a, uint64_t b) {
    if constexpr (kSignedA) {
      FLATENN_WGMMA_64("s8");
    } else {
      FLATENN_WGMMA_64("u8");
    }
  }
};

#define FLATENN_WGMMA_128(type)                                                                    \
  asm volatile("wgmma.mma_async.sync.aligned.m64n128k32.s32." type                                 \
               ".s8 {"                                                                             \
               "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "            \
               "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "  \
               "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "  \
               "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, " \
               "%64, %65, 1;"                                                                      \
               : FLATENN_EIGHT(d, 0), FLATENN_EIGHT(d, 8), FLATENN_EIGHT(d, 16),                   \
                 FLATENN_EIGHT(d, 24), FLATENN_EIGHT(d, 32), FLATENN_EIGHT(d, 40),                 \
                 FLATENN_EIGHT(d, 48), FLATENN_EIGHT(d, 56)                                        \
               : "l"(a), "l"(b))

template <>
struct Wgmma<128> {
  template <bool kSignedA>
  static __device__ __forceinline__ void multiply(int32_t (&d)[64], uint64_t a, uint64_t b) {
    if constexpr (kSignedA) {
      FLATENN_WGMMA_128("s8");
    } else {
      FLATENN_WGMMA_128("u8");
    }
  }
};

#undef FLATENN_EIGHT
#undef FLATENN_WGMMA_16
#undef FLATENN_WGMMA_32
#undef FLATENN_WGMMA_64
#undef FLATENN_WGMMA_128

}  // namespace flatenn::engine::cuda
