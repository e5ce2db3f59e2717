#include "flatenn/train/float_weights.h"

#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/interop/safetensors.h"
#include "flatenn/interop/weight_names.h"
#include "flatenn/train/checkpoint.h"

namespace flatenn::train {
namespace {

using interop::FloatTensor;
using interop::NamedLayer;
using interop::StoredTensor;
using interop::TensorFile;
using interop::WeightNames;
using State = std::map<std::string, torch::Tensor>;

std::vector<NamedLayer> named_layers(const nn::ModelImpl& model) {
  std::vector<NamedLayer> layers;
  for (const auto& layer : model.layers()) {
    const nn::LayerSpec& spec = layer->spec();
    layers.push_back({.name = spec.name,
                      .weight_shape = layer->weight.sizes().vec(),
                      .bias = spec.bias,
                      .batch_norm = spec.batch_norm,
                      .reads = model.shapes()[static_cast<size_t>(spec.src)]});
  }
  return layers;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

torch::Tensor tensor_of(const FloatTensor& from) {
  torch::Tensor tensor = torch::empty(from.shape, torch::kFloat32);
  std::copy(from.values.begin(), from.values.end(), tensor.data_ptr<float>());
  return tensor;
}

/// Names of parameters and buffers that belong to a layer itself, not to its quantizer.
std::vector<std::string> layer_tensors(const NamedLayer& layer) {
  std::vector<std::string> names{layer.name + ".weight"};
  if (layer.bias) names.push_back(layer.name + ".bias");
  if (layer.batch_norm) {
    for (const char* part : {".gamma", ".beta", ".running_mean", ".running_var"}) {
      names.push_back(layer.name + part);
    }
  }
  return names;
}

/// Quantizers' tensors, which only our own files hold, out of what is left over.
void take_quantizers(const State& own, const TensorFile& file, WeightNames& names, State& state) {
  std::erase_if(names.left_over, [&](const std::string& name) {
    const auto found = own.find(name);
    const StoredTensor& tensor = *file.find(name);
    if (found == own.end() || found->second.sizes().vec() != tensor.shape) return false;
    torch::Tensor target = torch::empty_like(found->second);
    const auto bytes = static_cast<size_t>(target.nbytes());
    if (bytes != tensor.bytes.size()) return false;
    std::copy(tensor.bytes.begin(), tensor.bytes.end(), static_cast<char*>(target.data_ptr()));
    state[name] = target;
    return true;
  });
}

void log_names(const WeightNames& names, const std::filesystem::path& file) {
  log::info(file.string(), ": names as of ", names.style);
  for (const interop::WeightSource& source : names.sources) log::info("  ", to_text(source));
  if (!names.left_over.empty()) {
    log::warn(file.string(), ": not used: ", listed(names.left_over));
  }
}

StoredTensor stored(const std::string& name, const torch::Tensor& tensor) {
  const torch::Tensor dense = tensor.cpu().contiguous();
  const bool flag = dense.scalar_type() == torch::kUInt8;
  FLATENN_CHECK(flag || dense.is_floating_point(), "tensor ", name, " is neither float nor a flag");
  StoredTensor result{.name = name,
                      .type = flag ? interop::TensorType::kU8 : interop::TensorType::kF32,
                      .shape = dense.sizes().vec()};
  const torch::Tensor plain = flag ? dense : dense.to(torch::kFloat32);
  result.bytes.assign(static_cast<const char*>(plain.data_ptr()), plain.nbytes());
  return result;
}

}  // namespace

State read_float_weights(const nn::ModelImpl& model, const std::filesystem::path& path,
                         bool partial) {
  const TensorFile file = interop::read_safetensors(path);
  const std::vector<NamedLayer> layers = named_layers(model);
  WeightNames names = interop::match_weight_names(layers, file);
  const State own = nn::named_state(model);
  State state;
  std::vector<std::string> refused;
  try {
    FLATENN_CHECK(partial || names.missing.empty(), "holds nothing for ", listed(names.missing),
                  " of ", model.options().architecture, " (names as of ", names.style,
                  "; warm_start.partial = true starts those at random)");
    for (const auto& [name, tensor] :
         take_weights(layers, file, names, partial ? &refused : nullptr)) {
      state[name] = tensor_of(tensor);
    }
  } catch (const Error& error) {
    throw Error(path.string() + ": " + error.what());
  }
  FLATENN_CHECK(!state.empty(), path.string(), ": holds no weights of ",
                model.options().architecture);
  if (names.style == "flatenn") take_quantizers(own, file, names, state);
  log_names(names, path);
  for (const std::string& reason : refused) log::warn(path.string(), ": ", reason);
  std::vector<std::string> kept;
  for (const NamedLayer& layer : layers) {
    for (const std::string& name : layer_tensors(layer)) {
      if (state.emplace(name, own.at(name).clone()).second) kept.push_back(name);
    }
  }
  if (!kept.empty()) log::warn(path.string(), ": start at random: ", listed(kept));
  return state;
}

int64_t write_float_weights(const std::filesystem::path& run, const std::filesystem::path& path) {
  TensorFile file{.metadata = {{"format", "pt"}}};
  for (const auto& [name, tensor] : load_run_state(run))
    file.tensors.push_back(stored(name, tensor));
  interop::write_safetensors(file, path);
  return static_cast<int64_t>(file.tensors.size());
}

}  // namespace flatenn::train
