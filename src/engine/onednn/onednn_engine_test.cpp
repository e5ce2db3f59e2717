#include "engine/onednn/onednn_engine.h"

#include <gtest/gtest.h>

#include "engine/job_zoo.h"
#include "engine/reference.h"
#include "engine/testing.h"
#include "flatenn/engine/check.h"

namespace flatenn::engine {
namespace {

class OneDnnEqualsReference : public ::testing::TestWithParam<net::testing::NamedNetwork> {
 protected:
  static constexpr int64_t kImages = 19;

  OneDnnEqualsReference()
      : network_(std::make_shared<net::Network>(GetParam().network)),
        images_(testing::random_images(*network_, kImages, 5)),
        reference_(network_, images_, 1) {}

  void SetUp() override {
    if (const auto why = onednn_unfit(*network_)) GTEST_SKIP() << "oneDNN: " << *why;
  }

  std::shared_ptr<net::Network> network_;
  std::shared_ptr<const ImageCodes> images_;
  ReferenceEngine reference_;
};

TEST_P(OneDnnEqualsReference, LayerByLayer) {
  const auto engine = make_onednn_engine(network_, images_, 2);
  ASSERT_TRUE(engine->name().starts_with("onednn/")) << engine->name();
  const auto difference = first_difference(reference_, *engine, *network_, *images_);
  EXPECT_FALSE(difference) << engine->name() << ": " << difference->describe();
  EXPECT_EQ(engine->count_zeros({}), reference_.count_zeros({}));
}

TEST_P(OneDnnEqualsReference, UnderFaultsAtAnyThreadCount) {
  testing::JobsOfEveryKind jobs(*network_, kImages, reference_);
  for (const int64_t threads : {1, 3}) {
    const auto engine = make_onednn_engine(network_, images_, threads);
    jobs.expect_equal(*engine, std::to_string(threads) + " threads");
  }
}

/// Sums past 2^24, where float(acc) rounds, and the ends of all types.
TEST(OneDnnEngine, RoundsLargeSumsAsTheReferenceDoes) {
  auto network = std::make_shared<net::Network>(
      net::testing::mlp({.seed = 3, .weight_bits = 8, .activation_bits = 8}));
  for (net::Layer& layer : network->layers) {
    for (int32_t& bias : layer.bias) bias = bias * 8191 + (1 << 25) + 1;
  }
  if (const auto why = onednn_unfit(*network)) GTEST_SKIP() << "oneDNN: " << *why;
  const auto images = testing::random_images(*network, 40, 7);
  ReferenceEngine reference(network, images, 1);
  const auto engine = make_onednn_engine(network, images, 1);
  const auto difference = first_difference(reference, *engine, *network, *images);
  EXPECT_FALSE(difference) << difference->describe();
}

INSTANTIATE_TEST_SUITE_P(Zoo, OneDnnEqualsReference, ::testing::ValuesIn(net::testing::zoo()),
                         [](const auto& one) { return one.param.name; });
INSTANTIATE_TEST_SUITE_P(UnsignedImages, OneDnnEqualsReference,
                         ::testing::ValuesIn(testing::zoo_of_unsigned_images()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn::engine
