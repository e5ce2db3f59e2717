#include "flatenn/engine/sparsity.h"

#include <algorithm>
#include <numeric>

namespace flatenn::engine {
namespace {

/// Images whose codes are asked for at once; bounds memory.
constexpr size_t kChunk = 250;

int64_t zeros_by_codes(Engine& engine, std::span<const int64_t> images, int64_t activation,
                       int zero_point) {
  int64_t zeros = 0;
  for (size_t at = 0; at < images.size(); at += kChunk) {
    Job job;
    job.images = images.subspan(at, std::min(kChunk, images.size() - at));
    const std::vector<int16_t> codes = engine.codes(job, activation);
    zeros += std::count(codes.begin(), codes.end(), static_cast<int16_t>(zero_point));
  }
  return zeros;
}

bool counts(const net::Layer& layer) { return layer.multiplies() && layer.src != 0; }

/// [activations]; only those that a multiplying layer reads are needed.
std::vector<int64_t> zeros_of(Engine& engine, const net::Network& network, int64_t image_count) {
  if (auto counted = engine.count_zeros({})) return *counted;
  std::vector<int64_t> images(static_cast<size_t>(image_count));
  std::iota(images.begin(), images.end(), int64_t{0});
  std::vector<int64_t> zeros(network.activations.size(), -1);
  for (const net::Layer& layer : network.layers) {
    int64_t& count = zeros[static_cast<size_t>(layer.src)];
    if (counts(layer) && count < 0) {
      const net::Activation& a = network.activations[static_cast<size_t>(layer.src)];
      count = zeros_by_codes(engine, images, layer.src, a.zero_point);
    }
  }
  return zeros;
}

}  // namespace

ActivationSparsity measure_sparsity(Engine& engine, const net::Network& network,
                                    const ImageCodes& images) {
  const std::vector<int64_t> zeros = zeros_of(engine, network, images.count);
  ActivationSparsity result;
  double skipped = 0;
  double all = 0;
  for (const net::Layer& layer : network.layers) {
    if (!counts(layer)) continue;
    const auto src = static_cast<size_t>(layer.src);
    const int64_t codes = network.activations[src].shape.elements() * images.count;
    const double share = static_cast<double>(zeros[src]) / static_cast<double>(codes);
    const auto macs = static_cast<double>(net::macs(network, layer));
    result.layers.emplace_back(layer.name, share);
    skipped += macs * share;
    all += macs;
  }
  result.network = all > 0 ? skipped / all : 0;
  return result;
}

}  // namespace flatenn::engine
