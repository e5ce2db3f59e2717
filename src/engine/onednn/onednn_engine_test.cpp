#include "engine/onednn/onednn_engine.h"

#include <gtest/gtest.h>

#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/engine/check.h"

namespace flatenn::engine {
namespace {

class OneDnnEqualsReference : public ::testing::TestWithParam<net::testing::NamedNetwork> {};

TEST_P(OneDnnEqualsReference, LayerByLayerWithAndWithoutFaults) {
  const auto network = std::make_shared<net::Network>(GetParam().network);
  const auto images = testing::random_images(*network, 5, 5);
  ReferenceEngine reference(network, images, 1);
  const auto engine = make_onednn_engine(network, images, 2);
  const testing::RandomActivationFaults faults(*network, 0.02, 9);
  const std::vector<int64_t> some{4, 0};
  const Job jobs[] = {{},
                      {.weights = testing::random_changes(*network, 0.1, 1),
                       .biases = {{.layer = 0, .channel = 1, .value = 777}}},
                      {.activations = &faults, .images = some},
                      {}};
  for (const Job& job : jobs) {
    const auto difference = first_difference(reference, *engine, *network, *images, job);
    EXPECT_FALSE(difference) << engine->name() << ": " << difference->describe();
  }
}

/// Every kind of network at the bits that differ for oneDNN: narrow, and at the ends of its types.
std::vector<net::testing::NamedNetwork> subjects() {
  std::vector<net::testing::NamedNetwork> result;
  for (auto& one : net::testing::zoo()) {
    for (const char* bits : {"W4A4", "W8A8", "Liq7A8"}) {
      if (one.name.ends_with(bits)) result.push_back(one);
    }
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(Zoo, OneDnnEqualsReference, ::testing::ValuesIn(subjects()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn::engine
