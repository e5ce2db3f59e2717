#include "engine/cuda/tensor_map.h"

#include <cudaTypedefs.h>

#include "engine/cuda/support.h"

namespace flatenn::engine::cuda {
namespace {

/// The driver's encoder, found at run time so that nothing links to the driver library.
PFN_cuTensorMapEncodeTiled_v12000 encoder() {
  static const auto found = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult result{};
    FLATENN_CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                        cudaEnableDefault, &result));
    FLATENN_CHECK(result == cudaDriverEntryPointSuccess && function != nullptr,
                  "CUDA: the driver has no tensor maps; it is older than CUDA 12");
    return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
  }();
  return found;
}

CUtensorMapSwizzle swizzle_of(int64_t row_bytes) {
  switch (row_bytes) {
    case 128:
      return CU_TENSOR_MAP_SWIZZLE_128B;
    case 64:
      return CU_TENSOR_MAP_SWIZZLE_64B;
    case 32:
      return CU_TENSOR_MAP_SWIZZLE_32B;
    default:
      return CU_TENSOR_MAP_SWIZZLE_NONE;
  }
}

}  // namespace

template <size_t kRank>
CUtensorMap make_tensor_map(const ByteTensor<kRank>& tensor, const std::array<int64_t, kRank>& box,
                            const std::array<int64_t, kRank>& steps) {
  std::array<cuuint64_t, kRank> extents{};
  std::array<cuuint64_t, kRank> strides{};
  std::array<cuuint32_t, kRank> boxes{};
  std::array<cuuint32_t, kRank> element_steps{};
  for (size_t i = 0; i < kRank; ++i) {
    extents[i] = static_cast<cuuint64_t>(tensor.extents[i]);
    // A box of n read elements spans (n - 1) * step + 1.
    boxes[i] = static_cast<cuuint32_t>((box[i] - 1) * steps[i] + 1);
    element_steps[i] = static_cast<cuuint32_t>(steps[i]);
    if (i + 1 < kRank) strides[i] = static_cast<cuuint64_t>(tensor.strides[i]);
  }
  CUtensorMap map{};
  const CUresult result =
      encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, static_cast<cuuint32_t>(kRank),
                const_cast<void*>(tensor.data), extents.data(), strides.data(), boxes.data(),
                element_steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(box[0]),
                CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  FLATENN_CHECK(result == CUDA_SUCCESS, "CUDA: tensor map refused with code ", int{result},
                " (innermost box ", box[0], " bytes)");
  return map;
}

template CUtensorMap make_tensor_map<2>(const ByteTensor<2>&, const std::array<int64_t, 2>&,
                                        const std::array<int64_t, 2>&);
template CUtensorMap make_tensor_map<4>(const ByteTensor<4>&, const std::array<int64_t, 4>&,
                                        const std::array<int64_t, 4>&);

}  // namespace flatenn::engine::cuda
