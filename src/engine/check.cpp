#include "flatenn/engine/check.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "engine/reference.h"
#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

constexpr size_t kBlock = 32;  ///< Images whose codes are held at once.

bool equal(int16_t a, int16_t b) { return a == b; }
bool equal(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

template <typename T>
std::optional<Difference> compare(const std::vector<T>& a, const std::vector<T>& b,
                                  const net::Layer& layer, const net::Activation& activation,
                                  const Job& job) {
  std::optional<Difference> result;
  for (size_t i = 0; i < a.size(); ++i) {
    if (equal(a[i], b[i])) continue;
    if (!result) {
      const auto size = static_cast<size_t>(activation.shape.elements());
      result = Difference{.layer = layer.name,
                          .activation = activation.name,
                          .image = job.images[i / size],
                          .element = static_cast<int64_t>(i % size),
                          .first = static_cast<double>(a[i]),
                          .second = static_cast<double>(b[i])};
    }
    ++result->differing;
  }
  return result;
}

/// Fast engines run once for each activation, the reference, which is slow, once for all.
Trace trace_of(Engine& engine, const net::Network& network, const Job& job) {
  if (auto* const reference = dynamic_cast<ReferenceEngine*>(&engine)) return reference->trace(job);
  Trace trace;
  trace.logits.resize(job.images.size() * static_cast<size_t>(network.classes()));
  Job pass = job;
  pass.logits = trace.logits;
  engine.run({&pass, 1});
  for (int64_t a = 0; a < std::ssize(network.activations); ++a) {
    const bool stored = !network.activations[static_cast<size_t>(a)].is_float;
    trace.codes.push_back(stored ? engine.codes(job, a) : std::vector<int16_t>());
  }
  return trace;
}

/// The first layer at which two traces of the job differ, if any.
std::optional<Difference> compare(const Trace& first, const Trace& second,
                                  const net::Network& network, const Job& job, int64_t& at_layer) {
  for (at_layer = 0; at_layer < std::ssize(network.layers); ++at_layer) {
    const net::Layer& layer = network.layers[static_cast<size_t>(at_layer)];
    const auto dst = static_cast<size_t>(layer.dst);
    const net::Activation& activation = network.activations[dst];
    auto found = activation.is_float
                     ? compare(first.logits, second.logits, layer, activation, job)
                     : compare(first.codes[dst], second.codes[dst], layer, activation, job);
    if (found) return found;
  }
  return {};
}

/// The first difference over blocks of images: of the earliest layer, its first image.
class FirstOfAll {
 public:
  void add(int64_t layer, const Difference& found) {
    if (!difference || layer < layer_) {
      difference = found;
      layer_ = layer;
    } else if (layer == layer_) {
      difference->differing += found.differing;
    }
  }

  std::optional<Difference> difference;

 private:
  int64_t layer_ = 0;
};

}  // namespace

std::string Difference::describe() const {
  return detail::concat("layer ", layer, ": ", activation, " of image ", image, ", element ",
                        element, ": ", first, " against ", second, " (", differing,
                        " elements differ)");
}

std::vector<std::optional<Difference>> first_differences(Engine& first,
                                                         std::span<Engine* const> others,
                                                         const net::Network& network,
                                                         const ImageCodes& codes, const Job& job,
                                                         const CheckObserver& observer) {
  std::vector<int64_t> images(job.images.begin(), job.images.end());
  if (images.empty()) {
    images.resize(static_cast<size_t>(codes.count));
    std::iota(images.begin(), images.end(), int64_t{0});
  }
  std::vector<FirstOfAll> found(others.size());
  for (size_t done = 0; done < images.size();) {
    Job block = job;
    block.images = std::span(images).subspan(done, std::min(kBlock, images.size() - done));
    const Trace wanted = trace_of(first, network, block);
    for (size_t i = 0; i < others.size(); ++i) {
      int64_t layer = 0;
      const auto difference =
          compare(wanted, trace_of(*others[i], network, block), network, block, layer);
      if (difference) found[i].add(layer, *difference);
    }
    done += block.images.size();
    if (observer) observer(static_cast<int64_t>(done), std::ssize(images));
  }
  std::vector<std::optional<Difference>> differences;
  for (const FirstOfAll& one : found) differences.push_back(one.difference);
  return differences;
}

std::optional<Difference> first_difference(Engine& first, Engine& second,
                                           const net::Network& network, const ImageCodes& codes,
                                           const Job& job) {
  Engine* const other = &second;
  return first_differences(first, {&other, 1}, network, codes, job).front();
}

}  // namespace flatenn::engine
