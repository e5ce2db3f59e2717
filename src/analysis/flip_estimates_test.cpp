#include "flatenn/analysis/flip_estimates.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "analysis/hand_network.h"
#include "flatenn/analysis/bit_search.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

using fault::Encoding;
using fault::FaultKind;

TEST(BitChanges, AreTheTwosComplementWeightsOfTheBits) {
  net::Layer layer = hand_network()->layers[0];
  layer.weights.codes.assign(30, 0);
  layer.weights.codes[0] = 5;   // 0101
  layer.weights.codes[1] = -3;  // 1101
  const torch::Tensor flips = bit_changes(layer, FaultKind::kBitFlip, Encoding::kTwosComplement);
  const auto expect = [&](int64_t element, std::vector<float> changes) {
    EXPECT_TRUE(torch::allclose(flips[element], torch::tensor(changes) * 0.1F)) << flips[element];
  };
  expect(0, {-1, 2, -4, -8});
  expect(1, {-1, 2, -4, 8});
  expect(2, {1, 2, 4, -8});
}

TEST(BitChanges, AreZeroWhereAStuckBitHasItsValueAlready) {
  net::Layer layer = hand_network()->layers[0];
  layer.weights.codes.assign(30, 5);  // 0101
  const auto row = [&](FaultKind kind) {
    return bit_changes(layer, kind, Encoding::kTwosComplement)[0];
  };
  EXPECT_TRUE(torch::allclose(row(FaultKind::kStuckAt0), torch::tensor({-0.1F, 0.F, -0.4F, 0.F})));
  EXPECT_TRUE(torch::allclose(row(FaultKind::kStuckAt1), torch::tensor({0.F, 0.2F, 0.F, -0.8F})));
}

struct HandSet {
  std::shared_ptr<const net::Network> network = hand_network();
  engine::ImageCodes images = hand_images();
  std::vector<uint16_t> labels = hand_labels();
  LossSurface surface{std::make_shared<TorchNetwork>(network), images, labels};
  std::unique_ptr<engine::Engine> engine =
      engine::make_engine(network, std::make_shared<engine::ImageCodes>(images),
                          {.kind = engine::EngineKind::kReference, .threads = 1});
};

TEST(EstimateCells, SumsGradientTimesChange) {
  HandSet set;
  const SensitivityOptions options{.rate = 0.25, .trials = 2};
  const SensitivityReport report =
      measure_sensitivity(set.network, *set.engine, set.images, set.labels, options);
  const auto estimates = estimate_cells(set.surface, report, options, 8);
  ASSERT_EQ(estimates.size(), report.cells.size());
  const torch::Tensor gradient = set.surface.gradient(set.surface.zero_move()).slice(0, 0, 30);
  const torch::Tensor changes =
      bit_changes(set.network->layers[0], options.kind, options.encoding).select(1, 3);
  EXPECT_NEAR(estimates[3].first_order, 0.25 * gradient.dot(changes).item<double>(), 1e-6);
  EXPECT_GT(estimates[3].second_order, estimates[3].first_order);
}

TEST(SearchBits, RaisesTheLossItSeesWithEveryFlipAndBeatsRandomFlips) {
  HandSet set;
  const BitSearchResult result = search_bits(set.surface, set.network, *set.engine, set.images,
                                             set.labels, {.flips = 4, .random_trials = 10});
  ASSERT_EQ(result.steps.size(), 4U);
  double loss = set.surface.value(set.surface.zero_move()).loss;
  for (const BitSearchStep& step : result.steps) {
    EXPECT_GE(step.search_loss, loss);
    loss = step.search_loss;
    EXPECT_LE(step.accuracy, step.random_accuracy + 0.25);
  }
  for (size_t i = 0; i < result.steps.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(result.steps[i].site == result.steps[j].site);
  }
}

TEST(SearchBits, RefusesNoFlips) {
  HandSet set;
  EXPECT_THROW(
      search_bits(set.surface, set.network, *set.engine, set.images, set.labels, {.flips = 0}),
      Error);
}

}  // namespace
}  // namespace flatenn::analysis
