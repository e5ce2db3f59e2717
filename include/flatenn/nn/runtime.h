#pragma once

#include <cstdint>
#include <string>

namespace flatenn::nn {

/// What decides the last bits of training results besides seed and configuration.
struct Runtime {
  std::string libtorch;  ///< "1.13.0"
  std::string isa;       ///< LibTorch's choice of CPU kernels: "AVX512", "AVX2", ...
  std::string blas;      ///< BLAS and convolution libraries as LibTorch tells them.
  int64_t threads = 0;

  bool operator==(const Runtime&) const = default;
};

/// Sets LibTorch's thread counts (0: all cores) and describes the result.
Runtime set_up_runtime(int64_t threads);

}  // namespace flatenn::nn
