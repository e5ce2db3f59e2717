#include "train/resume.h"

#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/hash.h"
#include "flatenn/base/log.h"

namespace flatenn::train {

void warn_if_runtime_differs(const CheckpointHeader& before, const nn::Runtime& now,
                             const std::string& device) {
  const auto text = [](const nn::Runtime& r, const std::string& d) {
    return detail::concat("LibTorch ", r.libtorch, ", ", r.isa, ", ", r.blas, ", ", r.threads,
                          " threads, ", d);
  };
  const std::string was = text(before.runtime, before.device);
  const std::string is = text(now, device);
  if (was != is)
    log::warn(
        "resumed on another runtime, so the last bits of the weights may differ from an "
        "uninterrupted training: ",
        was, " before, ", is, " now");
}

std::string hash_of_state(const std::map<std::string, torch::Tensor>& state) {
  Hasher hasher;
  for (const auto& [name, tensor] : state) {
    const torch::Tensor dense = tensor.cpu().contiguous();
    hasher.update(name);
    hasher.update({static_cast<const std::byte*>(dense.data_ptr()), dense.nbytes()});
  }
  return hasher.hex_digest();
}

std::string warm_start_hash_in(const std::filesystem::path& run_json) {
  if (!std::filesystem::exists(run_json)) return "";
  const auto record =
      nlohmann::json::parse(read_file(run_json), nullptr, /*allow_exceptions=*/false);
  return record.is_object() ? record.value("warm_start_hash", "") : "";
}

}  // namespace flatenn::train
