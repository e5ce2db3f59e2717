#include "fault/selection.h"

#include <algorithm>

#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The name of the layer a tensor belongs to.
std::string layer_name(const MemoryTensor& tensor) {
  return tensor.is_bias ? tensor.name.substr(0, tensor.name.rfind(".bias")) : tensor.name;
}

void check_names(const std::vector<std::string>& wanted, const MemoryLayout& layout,
                 const std::string& place) {
  std::vector<std::string> known;
  for (int32_t i = 0; i < layout.weight_tensors; ++i) {
    known.push_back(layout.tensors[static_cast<size_t>(i)].name);
  }
  for (const std::string& name : wanted) {
    if (contains(known, name)) continue;
    const auto nearest = nearest_name(name, known);
    throw Error(detail::concat(place, ": no layer '", name, "' with stored weights",
                               nearest ? "; did you mean '" + *nearest + "'?" : ""));
  }
}

std::vector<int32_t> selected_bits(const FaultSource& source, int bits) {
  std::vector<int32_t> selected;
  for (int32_t bit = 0; bit < bits; ++bit) {
    if (source.wants_bit(bit, bits)) selected.push_back(bit);
  }
  return selected;
}

}  // namespace

std::vector<SelectedTensor> select(const FaultSource& source, const MemoryLayout& layout,
                                   const std::string& place) {
  check_names(source.layers, layout, place);
  check_names(source.spare, layout, place);
  std::vector<SelectedTensor> selected;
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const MemoryTensor& tensor = layout.tensors[i];
    if (tensor.is_bias != (source.target == FaultTarget::kBiases)) continue;
    const std::string layer = layer_name(tensor);
    if (!source.layers.empty() && !contains(source.layers, layer)) continue;
    if (contains(source.spare, layer)) continue;
    std::vector<int32_t> bits = selected_bits(source, tensor.bits);
    if (!bits.empty() && tensor.elements > 0) {
      selected.push_back({static_cast<int32_t>(i), std::move(bits)});
    }
  }
  FLATENN_CHECK(!selected.empty(), place,
                ": no stored bits left to fault (check layers, spare and bits)");
  return selected;
}

}  // namespace flatenn::fault
