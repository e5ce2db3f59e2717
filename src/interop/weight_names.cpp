#include "flatenn/interop/weight_names.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace flatenn::interop {
namespace {

/// What a tensor is to its layer.
enum class Role { kWeight, kBias, kGamma, kBeta, kMean, kVariance, kCounter };

/// A tensor of a file by the module that holds it.
struct Part {
  std::string module;  ///< "layer1.0.conv2", "conv2_block1_1_conv".
  std::string leaf;    ///< "weight", "kernel".
};

Part split(std::string name) {
  if (name.ends_with(":0")) name.resize(name.size() - 2);
  const size_t at = name.find_last_of("./");
  if (at == std::string::npos) return {"", name};
  Part part{name.substr(0, at), name.substr(at + 1)};
  // Keras 2 repeats the layer: "conv2d/conv2d/kernel".
  const size_t before = part.module.find_last_of('/');
  if (before != std::string::npos &&
      part.module.substr(0, before).ends_with(part.module.substr(before + 1))) {
    part.module.resize(before);
  }
  return part;
}

/// `normalizes`: whether the module is a batch norm as PyTorch writes it.
std::optional<Role> role_of(const std::string& leaf, bool normalizes) {
  if (leaf == "kernel") return Role::kWeight;
  if (leaf == "weight") return normalizes ? Role::kGamma : Role::kWeight;
  if (leaf == "bias") return normalizes ? Role::kBeta : Role::kBias;
  if (leaf == "gamma") return Role::kGamma;
  if (leaf == "beta") return Role::kBeta;
  if (leaf == "running_mean" || leaf == "moving_mean") return Role::kMean;
  if (leaf == "running_var" || leaf == "moving_variance") return Role::kVariance;
  if (leaf == "num_batches_tracked") return Role::kCounter;
  return std::nullopt;
}

constexpr std::array<std::pair<Role, const char*>, 4> kNormParts{
    {{Role::kGamma, ".gamma"},
     {Role::kBeta, ".beta"},
     {Role::kMean, ".running_mean"},
     {Role::kVariance, ".running_var"}}};

/// A module of a file with its tensors by leaf. Our own layers hold their batch norm themselves.
struct Module {
  std::map<std::string, const StoredTensor*> tensors;

  const StoredTensor* find(Role role) const {
    const bool normalizes = tensors.contains("running_mean") && !tensors.contains("gamma");
    for (const auto& [leaf, tensor] : tensors) {
      if (role_of(leaf, normalizes) == role) return tensor;
    }
    return nullptr;
  }
  bool channels_last() const { return tensors.contains("kernel"); }
  bool multiplies(size_t rank) const {
    const StoredTensor* weight = find(Role::kWeight);
    return weight != nullptr && weight->shape.size() == rank;
  }
  bool normalizes() const { return find(Role::kMean) != nullptr; }
};

/// Numbers within names compare as numbers: "conv2d" < "conv2d_2" < "conv2d_10".
bool natural_less(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0;
  size_t k = 0;
  while (i < a.size() && k < b.size()) {
    if (!digit(a[i]) || !digit(b[k])) {
      if (a[i] != b[k]) return a[i] < b[k];
      ++i;
      ++k;
      continue;
    }
    const auto number = [&](const std::string& text, size_t& at) {
      while (at < text.size() && text[at] == '0') ++at;
      const size_t first = at;
      while (at < text.size() && digit(text[at])) ++at;
      return text.substr(first, at - first);
    };
    const std::string x = number(a, i);
    const std::string y = number(b, k);
    if (x.size() != y.size()) return x.size() < y.size();
    if (x != y) return x < y;
  }
  return a.size() - i < b.size() - k;
}

struct NaturalOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    if (natural_less(a, b)) return true;
    return !natural_less(b, a) && a < b;
  }
};
using Modules = std::map<std::string, Module, NaturalOrder>;

/// Modules of a convolution or linear layer and of the batch norm behind it, as others name them.
struct Alias {
  std::string product;
  std::string norm;
  const char* style;
};

/// "stage2_0_conv1" as {2, 0, "conv1"}.
struct BlockName {
  int stage;
  int block;
  std::string part;
};
std::optional<BlockName> block_name(const std::string& name) {
  const size_t first = name.find('_');
  const size_t second = first == std::string::npos ? first : name.find('_', first + 1);
  if (!name.starts_with("stage") || second == std::string::npos) return std::nullopt;
  const std::string stage = name.substr(5, first - 5);
  const std::string block = name.substr(first + 1, second - first - 1);
  const auto whole = [](const std::string& text) {
    return !text.empty() && text.size() < 4 &&
           text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!whole(stage) || !whole(block)) return std::nullopt;
  return BlockName{std::stoi(stage), std::stoi(block), name.substr(second + 1)};
}

std::vector<Alias> block_aliases(const BlockName& name) {
  const std::string torch =
      "layer" + std::to_string(name.stage) + "." + std::to_string(name.block) + ".";
  const std::string keras =
      "conv" + std::to_string(name.stage + 1) + "_block" + std::to_string(name.block + 1) + "_";
  if (name.part == "down") {
    return {{torch + "downsample.0", torch + "downsample.1", "torchvision"},
            {torch + "shortcut.0", torch + "shortcut.1", "torchvision"},
            {keras + "0_conv", keras + "0_bn", "keras"}};
  }
  const std::string number = name.part.substr(name.part.size() - 1);
  return {{torch + "conv" + number, torch + "bn" + number, "torchvision"},
          {keras + number + "_conv", keras + number + "_bn", "keras"}};
}

std::vector<Alias> aliases(const NamedLayer& layer, bool last) {
  std::vector<Alias> result{{layer.name, layer.name, "flatenn"}};
  if (const auto name = block_name(layer.name)) {
    for (Alias& alias : block_aliases(*name)) result.push_back(std::move(alias));
    return result;
  }
  if (layer.batch_norm && layer.name == "conv1") {
    result.push_back({"conv1", "bn1", "torchvision"});
    result.push_back({"conv1_conv", "conv1_bn", "keras"});
  }
  if (last) {
    for (const char* name : {"fc", "linear", "classifier", "head", "head.fc"}) {
      result.push_back({name, "", "torchvision"});
    }
    for (const char* name : {"predictions", "dense", "logits", "probs"}) {
      result.push_back({name, "", "keras"});
    }
  }
  return result;
}

/// Prefixes that wrappers put in front of every name.
std::string without_prefix(std::string name) {
  for (bool again = true; again;) {
    again = false;
    for (const char* prefix : {"module.", "model.", "_orig_mod.", "net.", "network.", "backbone.",
                               "state_dict.", "resnet18/", "resnet20/", "lenet5/", "mlp/"}) {
      const std::string text = prefix;
      if (name.size() > text.size() && name.starts_with(text)) {
        name.erase(0, text.size());
        again = true;
      }
    }
  }
  return name;
}

Modules modules_of(const TensorFile& file) {
  Modules modules;
  for (const StoredTensor& tensor : file.tensors) {
    const Part part = split(without_prefix(tensor.name));
    modules[part.module].tensors.emplace(part.leaf, &tensor);
  }
  return modules;
}

class Matcher {
 public:
  Matcher(const std::vector<NamedLayer>& layers, const TensorFile& file)
      : layers_(layers), file_(file), modules_(modules_of(file)) {}

  WeightNames match() {
    if (!match_by_name()) match_by_order();
    for (const StoredTensor& tensor : file_.tensors) {
      const Part part = split(without_prefix(tensor.name));
      if (!used_.contains(tensor.name) && role_of(part.leaf, true) != Role::kCounter) {
        names_.left_over.push_back(tensor.name);
      }
    }
    return std::move(names_);
  }

 private:
  const Module* find(const std::string& name) const {
    const auto found = modules_.find(name);
    return found == modules_.end() ? nullptr : &found->second;
  }

  struct Found {
    const Module* product = nullptr;
    const Module* norm = nullptr;
  };

  Found find_layer(const NamedLayer& layer, std::map<std::string, int>& votes) const {
    Found found;
    for (const Alias& alias : aliases(layer, &layer == &layers_.back())) {
      const Module* product = find(alias.product);
      if (product == nullptr || product->find(Role::kWeight) == nullptr) continue;
      if (found.product == nullptr) {
        found.product = product;
        ++votes[product->channels_last() ? "keras" : alias.style];
      }
      const Module* norm = find(alias.norm);
      if (!layer.batch_norm || norm == nullptr || !norm->normalizes()) continue;
      found.norm = norm;
      ++votes[alias.style];
      break;
    }
    return found;
  }

  /// Whether any name is known; a head alone ("dense") says nothing of the others' names.
  bool match_by_name() {
    std::vector<Found> found;
    std::map<std::string, int> votes;
    for (const NamedLayer& layer : layers_) found.push_back(find_layer(layer, votes));
    const auto count = std::count_if(found.begin(), found.end(),
                                     [](const Found& one) { return one.product != nullptr; });
    if (count == 0 || (count == 1 && layers_.size() > 1)) return false;
    names_.style = std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) {
                     return a.second < b.second;
                   })->first;
    for (size_t i = 0; i < layers_.size(); ++i) take(layers_[i], found[i]);
    return true;
  }

  /// Layers as numbered files hold them: a block's projection behind its convolutions.
  std::vector<const NamedLayer*> numbered() const {
    std::vector<const NamedLayer*> order;
    for (const NamedLayer& layer : layers_) order.push_back(&layer);
    for (size_t i = 0; i + 2 < order.size(); ++i) {
      const auto name = block_name(order[i]->name);
      if (name && name->part == "down") {
        std::rotate(order.begin() + static_cast<std::ptrdiff_t>(i),
                    order.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                    order.begin() + static_cast<std::ptrdiff_t>(i) + 3);
        i += 2;
      }
    }
    return order;
  }

  void match_by_order() {
    names_.style = "by order";
    std::vector<const Module*> convolutions, matrices, norms;
    for (const auto& [name, module] : modules_) {
      if (module.normalizes()) norms.push_back(&module);
      if (module.multiplies(4)) convolutions.push_back(&module);
      if (module.multiplies(2)) matrices.push_back(&module);
    }
    size_t conv = 0;
    size_t matrix = 0;
    size_t norm = 0;
    const auto next = [](const std::vector<const Module*>& list, size_t& at) {
      return at < list.size() ? list[at++] : nullptr;
    };
    for (const NamedLayer* layer : numbered()) {
      const bool is_conv = layer->weight_shape.size() == 4;
      take(*layer, {.product = is_conv ? next(convolutions, conv) : next(matrices, matrix),
                    .norm = layer->batch_norm ? next(norms, norm) : nullptr});
    }
  }

  void take(const NamedLayer& layer, const Found& found) {
    const bool last = found.product != nullptr && found.product->channels_last();
    const auto part = [](const Module* module, Role role) {
      return module == nullptr ? nullptr : module->find(role);
    };
    const StoredTensor* bias = part(found.product, Role::kBias);
    add(layer.name + ".weight", part(found.product, Role::kWeight), last);
    if (layer.bias) add(layer.name + ".bias", bias, last);
    if (!layer.batch_norm) return;
    for (const auto& [role, suffix] : kNormParts) {
      const StoredTensor* tensor = part(found.norm, role);
      add(layer.name + suffix, tensor, last);
      if (role == Role::kMean && tensor != nullptr && bias != nullptr && !layer.bias) {
        names_.sources.back().bias = bias->name;
        used_.insert(bias->name);
      }
    }
  }

  void add(const std::string& ours, const StoredTensor* theirs, bool channels_last) {
    if (theirs == nullptr) {
      names_.missing.push_back(ours);
      return;
    }
    names_.sources.push_back({ours, theirs->name, channels_last, ""});
    used_.insert(theirs->name);
  }

  const std::vector<NamedLayer>& layers_;
  const TensorFile& file_;
  Modules modules_;
  WeightNames names_;
  std::set<std::string> used_;
};

}  // namespace

WeightNames match_weight_names(const std::vector<NamedLayer>& layers, const TensorFile& file) {
  return Matcher(layers, file).match();
}

}  // namespace flatenn::interop
