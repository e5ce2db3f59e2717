#include "engine/general/general_engine.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/general/winograd.h"
#include "engine/job_zoo.h"
#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/engine/check.h"

namespace flatenn::engine {
namespace {

constexpr int64_t kImages = 19;
constexpr uint64_t kNetworks = 60;

std::vector<Isa> isas() {
  std::vector<Isa> result;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512Vnni}) {
    if (isa_supported(isa)) result.push_back(isa);
  }
  return result;
}

/// Every instruction set this machine has is compared with one reference.
void expect_reference(const net::Network& plain) {
  const auto network = std::make_shared<net::Network>(plain);
  const auto images = testing::random_images(*network, kImages, 5);
  ReferenceEngine reference(network, images, 1);
  testing::JobsOfEveryKind jobs(*network, kImages, reference);
  const auto zeros = reference.count_zeros({});
  for (const Isa isa : isas()) {
    const auto make = [&](int64_t threads, int64_t chunk_images, int64_t trials) {
      return make_general_engine(
          network, images,
          {.threads = threads, .isa = isa, .chunk_images = chunk_images, .trials_a_chunk = trials});
    };
    const auto engine = make(1, 4, 1);
    EXPECT_EQ(engine->name(), std::string("general/") + isa_name(isa));
    const auto difference = first_difference(reference, *engine, *network, *images);
    EXPECT_FALSE(difference) << isa_name(isa) << ": " << difference->describe();
    EXPECT_EQ(engine->count_zeros({}), zeros) << isa_name(isa);
    jobs.expect_equal(*make(1, 1, 1), std::string(isa_name(isa)) + " alone");
    jobs.expect_equal(*make(3, 5, 4), std::string(isa_name(isa)) + " together");
    jobs.expect_equal(*make(2, 0, 0), std::string(isa_name(isa)) + " by default");
  }
}

class GeneralEqualsReference : public ::testing::TestWithParam<uint64_t> {};

TEST_P(GeneralEqualsReference, OnAnyNetwork) {
  expect_reference(net::testing::any_network(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, GeneralEqualsReference,
                         ::testing::Range(uint64_t{1}, kNetworks + 1));

class GeneralOnZoo : public ::testing::TestWithParam<net::testing::NamedNetwork> {};

TEST_P(GeneralOnZoo, EqualsReference) { expect_reference(GetParam().network); }

INSTANTIATE_TEST_SUITE_P(Zoo, GeneralOnZoo, ::testing::ValuesIn(net::testing::zoo()),
                         [](const auto& test) { return test.param.name; });

/// Sums as large as weights and codes make them, of either sign.
TEST(General, EqualsReferenceOnTheLargestSums) {
  net::Network network =
      net::testing::residual({.seed = 3, .weight_bits = 8, .activation_bits = 8}, 33, 13);
  for (net::Layer& layer : network.layers) {
    net::Weights& w = layer.weights;
    for (size_t i = 0; i < w.codes.size(); ++i) {
      w.codes[i] = static_cast<int64_t>(i) / w.fan_in() % 2 == 0 ? -128 : 127;
    }
  }
  expect_reference(network);
}

/// A generator that left a kind out would make the tests above worth less.
TEST(AnyNetworks, HoldEveryKindOfLayer) {
  std::set<net::LayerKind> kinds;
  int64_t twins = 0, skips = 0, spreads = 0, coded = 0, depthwise = 0, groups = 0, zeros = 0,
          tiles = 0, parts = 0, neighbours = 0, saturated = 0;
  for (uint64_t seed = 1; seed <= kNetworks; ++seed) {
    const net::Network network = net::testing::any_network(seed);
    EXPECT_FALSE(network.is_plain()) << seed;
    coded += network.logits().is_float ? 0 : 1;
    const auto planes = general::planes_of<general::Bytes>(network);
    for (const net::Layer& layer : network.layers) {
      kinds.insert(layer.kind);
      twins += layer.twin >= 0;
      skips += layer.skip >= 0;
      zeros += !layer.weights.zero_points.empty();
      depthwise += layer.groups > 1 && layer.weights.in_channels == 1;
      tiles += general::suits_winograd(network, layer);
      groups += layer.groups > 1 && layer.weights.in_channels > 1;
      if (layer.multiplies()) {
        const auto product = general::make_product<general::Bytes>(network, layer, planes, 1);
        parts += product.parts > 1;
        neighbours += product.neighbour > 0;
        saturated += product.saturates;
      }
      if (layer.kind == net::LayerKind::kAdd || layer.kind == net::LayerKind::kMul) {
        const auto& shape = [&](int64_t a) -> const net::Shape& {
          return network.activations[static_cast<size_t>(a)].shape;
        };
        spreads += shape(layer.others.front()) != shape(layer.src);
      }
    }
  }
  EXPECT_EQ(kinds.size(), 9U);
  for (const int64_t count : {twins, skips, spreads, coded, depthwise, groups, zeros, tiles, parts,
                              neighbours, saturated}) {
    EXPECT_GE(count, 3);
  }
}

}  // namespace
}  // namespace flatenn::engine
