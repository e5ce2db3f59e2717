#include "flatenn/nn/runtime.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/version.h>

#include "flatenn/base/parallel.h"

namespace flatenn::nn {
namespace {

/// What follows `label` in LibTorch's own description of itself, up to a comma or the line's end.
std::string config_entry(const std::string& label) {
  const std::string config = at::show_config();
  const size_t start = config.find(label);
  if (start == std::string::npos) return "unknown";
  const size_t from = start + label.size();
  return config.substr(from, config.find_first_of(",\n", from) - from);
}

/// A function of the loaded libraries; null where none has it.
template <typename Function>
Function* loaded(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

/// Distributions let the system choose the BLAS when the program starts, so it is asked here.
/// OpenBLAS's pthread build (get_parallel() == 1) has threads of its own; beside LibTorch's OpenMP
/// threads the two pools take each other's cores, so it runs on the calling thread alone.
std::string set_up_openblas() {
  constexpr int kPthreads = 1;
  const auto config = loaded<char*()>("openblas_get_config");
  const auto parallel = loaded<int()>("openblas_get_parallel");
  const auto set_threads = loaded<void(int)>("openblas_set_num_threads");
  if (config == nullptr || parallel == nullptr || set_threads == nullptr) return "";
  if (parallel() == kPthreads) set_threads(1);
  return config();
}

/// glibc gives every large tensor fresh pages from the system and takes them back; a step that
/// makes the same tensors again pays for each page anew. Kept on the heap they are used again.
void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLargestThreshold = 32 << 20;  // glibc's own limit on 64-bit systems
  ::mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  ::mallopt(M_TRIM_THRESHOLD, 512 << 20);
#endif
}

}  // namespace

Runtime set_up_runtime(int64_t threads) {
  keep_freed_memory();
  Runtime runtime;
  runtime.threads = resolve_threads(threads);
  at::set_num_threads(static_cast<int>(runtime.threads));
  runtime.libtorch = TORCH_VERSION;
  runtime.isa = config_entry("CPU capability usage: ");
  const std::string openblas = set_up_openblas();
  runtime.blas =
      (openblas.empty() ? config_entry("BLAS_INFO=") : openblas) + "; " + at::get_mkldnn_version();
  return runtime;
}

}  // namespace flatenn::nn
