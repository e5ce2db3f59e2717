#include "flatenn/engine/sparsity.h"

#include <algorithm>
#include <numeric>

namespace flatenn::engine {
namespace {

constexpr int64_t kBatch = 500;

double share_of_zeros(Engine& engine, int64_t activation, int64_t images) {
  int64_t zeros = 0;
  int64_t elements = 0;
  std::vector<int64_t> indices(static_cast<size_t>(kBatch));
  for (int64_t first = 0; first < images; first += kBatch) {
    indices.resize(static_cast<size_t>(std::min(kBatch, images - first)));
    std::iota(indices.begin(), indices.end(), first);
    Job job;
    job.images = indices;
    const std::vector<int16_t> codes = engine.codes(job, activation);
    zeros += std::count(codes.begin(), codes.end(), int16_t{0});
    elements += static_cast<int64_t>(codes.size());
  }
  return static_cast<double>(zeros) / static_cast<double>(std::max<int64_t>(elements, 1));
}

}  // namespace

ActivationSparsity measure_sparsity(Engine& engine, const net::Network& network,
                                    const ImageCodes& images) {
  ActivationSparsity sparsity;
  double weighted = 0;
  double weights = 0;
  for (const net::Layer& layer : network.layers) {
    if (!layer.multiplies() || layer.src == 0) continue;
    const double share = share_of_zeros(engine, layer.src, images.count);
    const auto macs = static_cast<double>(net::macs(network, layer));
    sparsity.layers.emplace_back(layer.name, share);
    weighted += macs * share;
    weights += macs;
  }
  if (weights > 0) sparsity.network = weighted / weights;
  return sparsity;
}

}  // namespace flatenn::engine
