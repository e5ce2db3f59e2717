#include "flatenn/engine/check.h"

#include <bit>

#include "engine/job_checks.h"
#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

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
      result = Difference{
          .layer = layer.name,
          .activation = activation.name,
          .image = job.images.empty() ? static_cast<int64_t>(i / size) : job.images[i / size],
          .element = static_cast<int64_t>(i % size),
          .first = static_cast<double>(a[i]),
          .second = static_cast<double>(b[i])};
    }
    ++result->differing;
  }
  return result;
}

std::vector<float> logits_of(Engine& engine, const net::Network& network, const ImageCodes& codes,
                             const Job& job) {
  std::vector<float> logits(static_cast<size_t>(job_images(job, codes) * network.classes()));
  Job copy = job;
  copy.logits = logits;
  engine.run({&copy, 1});
  return logits;
}

}  // namespace

std::string Difference::describe() const {
  return detail::concat("layer ", layer, ": ", activation, " of image ", image, ", element ",
                        element, ": ", first, " against ", second, " (", differing,
                        " elements differ)");
}

std::optional<Difference> first_difference(Engine& first, Engine& second,
                                           const net::Network& network, const ImageCodes& codes,
                                           const Job& job) {
  for (const net::Layer& layer : network.layers) {
    const net::Activation& activation = network.activations[static_cast<size_t>(layer.dst)];
    const auto found = activation.is_float
                           ? compare(logits_of(first, network, codes, job),
                                     logits_of(second, network, codes, job), layer, activation, job)
                           : compare(first.codes(job, layer.dst), second.codes(job, layer.dst),
                                     layer, activation, job);
    if (found) return found;
  }
  return {};
}

}  // namespace flatenn::engine
