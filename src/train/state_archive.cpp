#include "train/state_archive.h"

#include "flatenn/base/error.h"

namespace flatenn::train {

void write_state(torch::serialize::OutputArchive& archive, const std::string& key,
                 const NamedTensors& state) {
  c10::Dict<std::string, torch::Tensor> dict;
  for (const auto& [name, tensor] : state) dict.insert(name, tensor.detach().cpu());
  archive.write(key, c10::IValue(dict));
}

c10::IValue read_value(torch::serialize::InputArchive& archive, const std::string& key) {
  c10::IValue value;
  FLATENN_CHECK(archive.try_read(key, value), "checkpoint: '", key, "' is missing");
  return value;
}

NamedTensors read_state(torch::serialize::InputArchive& archive, const std::string& key) {
  const c10::IValue value = read_value(archive, key);
  FLATENN_CHECK(value.isGenericDict(), "checkpoint: '", key, "' does not hold tensors");
  NamedTensors state;
  for (const auto& entry : value.toGenericDict())
    state[entry.key().toStringRef()] = entry.value().toTensor();
  return state;
}

void load_state(nn::ModelImpl& model, const NamedTensors& state) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : nn::named_state(model)) {
    const auto found = state.find(name);
    FLATENN_CHECK(found != state.end(), "checkpoint: tensor '", name, "' is missing");
    FLATENN_CHECK(found->second.sizes() == tensor.sizes(), "checkpoint: tensor '", name,
                  "' has another shape");
    tensor.copy_(found->second);
  }
}

}  // namespace flatenn::train
