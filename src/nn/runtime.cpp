#include "flatenn/nn/runtime.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "flatenn/base/parallel.h"

namespace flatenn::nn {
namespace {

/// The rest of the line that starts with `label` in LibTorch's own description of itself.
std::string config_entry(const std::string& label) {
  const std::string config = at::show_config();
  const size_t start = config.find(label);
  if (start == std::string::npos) return "unknown";
  const size_t from = start + label.size();
  return config.substr(from, config.find('\n', from) - from);
}

}  // namespace

Runtime set_up_runtime(int64_t threads) {
  Runtime runtime;
  runtime.threads = resolve_threads(threads);
  at::set_num_threads(static_cast<int>(runtime.threads));
  runtime.libtorch = TORCH_VERSION;
  runtime.isa = config_entry("CPU capability usage: ");
  runtime.blas = config_entry("BLAS_INFO=") + "; " + at::get_mkldnn_version();
  return runtime;
}

}  // namespace flatenn::nn
