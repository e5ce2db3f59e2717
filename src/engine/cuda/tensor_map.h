#pragma once

#include <cuda.h>

#include <array>
#include <cstdint>

namespace flatenn::engine::cuda {

/// A byte tensor in device memory as the copy engine (TMA) sees it, innermost dimension first.
/// Every extent but the innermost has a stride in bytes, a multiple of 16.
template <size_t kRank>
struct ByteTensor {
  const void* data = nullptr;
  std::array<int64_t, kRank> extents{};
  std::array<int64_t, kRank - 1> strides{};
};

/// Describes boxes of `box` elements of the tensor, read every `steps`-th element along a
/// dimension. Rows of `box[0]` bytes (16, 32, 64 or 128) lie in shared memory one after the other,
/// their 16-byte pieces permuted by the swizzle of that width. What lies outside the tensor reads 0
/// and is not written. Throws Error where the driver refuses.
template <size_t kRank>
CUtensorMap make_tensor_map(const ByteTensor<kRank>& tensor, const std::array<int64_t, kRank>& box,
                            const std::array<int64_t, kRank>& steps);

}  // namespace flatenn::engine::cuda
