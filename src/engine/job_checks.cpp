#include "engine/job_checks.h"

#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

const net::Layer& multiplying_layer(const net::Network& network, int32_t index) {
  FLATENN_CHECK(index >= 0 && static_cast<size_t>(index) < network.layers.size() &&
                    network.layers[static_cast<size_t>(index)].multiplies(),
                "job: layer ", index, " of ", network.name, " holds no weights");
  return network.layers[static_cast<size_t>(index)];
}

void check_changes(const net::Network& network, const Job& job) {
  for (const WeightChange& change : job.weights) {
    const net::Layer& layer = multiplying_layer(network, change.layer);
    FLATENN_CHECK(change.element >= 0 && change.element < layer.weights.elements(), "job: layer ",
                  layer.name, " has no weight ", change.element);
    const int low = -(1 << (layer.weights.bits - 1));
    FLATENN_CHECK(change.code >= low && change.code <= -low - 1, "job: layer ", layer.name,
                  ": weight code ", int{change.code}, " is outside ", layer.weights.bits, " bits");
  }
  for (const BiasChange& change : job.biases) {
    const net::Layer& layer = multiplying_layer(network, change.layer);
    FLATENN_CHECK(change.channel >= 0 && change.channel < layer.weights.out_channels, "job: layer ",
                  layer.name, " has no bias ", change.channel);
  }
}

void check_images(const ImageCodes& images, const Job& job) {
  for (const int64_t image : job.images) {
    FLATENN_CHECK(image >= 0 && image < images.count, "job: image ", image, " of ", images.count);
  }
}

}  // namespace

void check_job(const net::Network& network, const ImageCodes& images, const Job& job) {
  check_changes(network, job);
  check_images(images, job);
  const int64_t expected = job_images(job, images) * network.classes();
  FLATENN_CHECK(static_cast<int64_t>(job.logits.size()) == expected, "job: expected room for ",
                expected, " logits, got ", job.logits.size());
}

void check_codes_request(const net::Network& network, const ImageCodes& images, const Job& job,
                         int64_t activation) {
  check_changes(network, job);
  check_images(images, job);
  FLATENN_CHECK(activation >= 0 && static_cast<size_t>(activation) < network.activations.size() &&
                    !network.activations[static_cast<size_t>(activation)].is_float,
                "codes: activation ", activation, " of ", network.name, " holds no codes");
}

}  // namespace flatenn::engine
