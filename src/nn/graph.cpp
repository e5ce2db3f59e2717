#include "nn/graph.h"

#include <algorithm>
#include <numeric>

#include "nn/windows.h"

namespace flatenn::nn {
namespace {

bool passes_codes(const LayerSpec& spec) {
  switch (spec.kind) {
    case net::LayerKind::kMaxPool:
    case net::LayerKind::kConcat:
    case net::LayerKind::kMove:
      return true;
    case net::LayerKind::kAvgPool:
      return spec.in_fixed_point() && spec.factors.empty();
    default:
      return false;
  }
}

}  // namespace

std::vector<int64_t> inputs_of(const LayerSpec& spec) {
  std::vector<int64_t> inputs{spec.src};
  if (spec.skip >= 0) inputs.push_back(spec.skip);
  inputs.insert(inputs.end(), spec.others.begin(), spec.others.end());
  return inputs;
}

std::vector<int64_t> code_owners(const Graph& graph) {
  std::vector<int64_t> owners(graph.shapes.size());
  std::iota(owners.begin(), owners.end(), int64_t{0});
  const auto join = [&](int64_t a, int64_t b) {
    const int64_t first = owners[static_cast<size_t>(a)];
    const int64_t second = owners[static_cast<size_t>(b)];
    std::replace(owners.begin(), owners.end(), std::max(first, second), std::min(first, second));
  };
  for (const LayerSpec& spec : graph.layers) {
    if (!passes_codes(spec)) continue;
    for (const int64_t input : inputs_of(spec)) join(input, spec.dst);
  }
  return owners;
}

std::vector<bool> signed_codes(const Graph& graph) {
  const std::vector<int64_t> owners = code_owners(graph);
  std::vector<bool> owner_signed(graph.shapes.size(), false);
  owner_signed[0] = true;
  const auto of = [&](int64_t activation) {
    return static_cast<size_t>(owners[static_cast<size_t>(activation)]);
  };
  // Layers stand in order, but a shared scale may become signed after some reader was looked at.
  for (size_t pass = 0; pass < graph.layers.size(); ++pass) {
    bool changed = false;
    for (const LayerSpec& spec : graph.layers) {
      const bool here = spec.multiplies() ? !spec.relu : !spec.relu && owner_signed[of(spec.src)];
      if (!here || owner_signed[of(spec.dst)]) continue;
      owner_signed[of(spec.dst)] = changed = true;
    }
    if (!changed) break;
  }
  std::vector<bool> result;
  for (size_t i = 0; i < graph.shapes.size(); ++i)
    result.push_back(owner_signed[static_cast<size_t>(owners[i])]);
  return result;
}

std::vector<int64_t> pools_after(const std::vector<LayerSpec>& layers) {
  std::vector<int64_t> pools(layers.size(), -1);
  for (size_t i = 0; i < layers.size(); ++i) {
    int64_t readers = 0;
    int64_t pool = -1;
    for (size_t j = 0; j < layers.size(); ++j) {
      const std::vector<int64_t> inputs = inputs_of(layers[j]);
      const auto reads = std::count(inputs.begin(), inputs.end(), layers[i].dst);
      readers += reads;
      if (reads > 0 && layers[j].kind == net::LayerKind::kMaxPool &&
          !may_miss_image(layers[j].window))
        pool = static_cast<int64_t>(j);
    }
    if (layers[i].multiplies() && layers[i].skip < 0 && readers == 1) pools[i] = pool;
  }
  return pools;
}

int64_t multiply_accumulates(const LayerSpec& spec, const net::Shape& out) {
  if (!spec.multiplies()) return 0;
  if (spec.kind == net::LayerKind::kLinear) return spec.in_channels * spec.out_channels;
  return out.elements() * (spec.in_channels / spec.groups) * spec.window.kernel_height *
         spec.window.kernel_width;
}

}  // namespace flatenn::nn
