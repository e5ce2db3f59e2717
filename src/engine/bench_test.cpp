#include "flatenn/engine/bench.h"

#include <gtest/gtest.h>

#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

TEST(Bench, ReportsEveryMultiplyingLayerAndConsistentRates) {
  const auto network = std::make_shared<net::Network>(bench_network("lenet5", 4));
  const auto images = bench_images(*network, 16);
  const auto engine = make_engine(network, images, {.threads = 1});
  const BenchReport report = bench(*engine, *network, *images, 1, {.trials = 2, .repetitions = 3});
  EXPECT_EQ(report.macs, 416520);
  EXPECT_EQ(report.layers.size(), 5U);
  EXPECT_LE(report.trial_seconds.fastest, report.trial_seconds.median);
  EXPECT_LE(report.trial_seconds.median, report.trial_seconds.slowest);
  EXPECT_NEAR(report.trials_per_second * report.trial_seconds.median, 1, 1e-9);
  EXPECT_GT(report.peak_gmacs_per_second, 0);
  for (const LayerBench& layer : report.layers) EXPECT_GT(layer.gmacs_per_second, 0) << layer.name;
}

TEST(Bench, RefusesAShareThatIsNone) {
  const auto network = std::make_shared<net::Network>(bench_network("lenet5", 4));
  const auto images = bench_images(*network, 16);
  const auto engine = make_engine(network, images, {.threads = 1});
  for (const double share : {-0.1, 1.5, std::nan("")}) {
    EXPECT_THROW(bench(*engine, *network, *images, 1, {.bit_error_share = share}), Error);
  }
}

TEST(BenchNetwork, KnowsThePapersNetworksAndListsThem) {
  EXPECT_EQ(net::weight_bits(bench_network("lenet5", 4)), 245880);
  EXPECT_THROW(bench_network("vgg", 4), Error);
}

}  // namespace
}  // namespace flatenn::engine
