#include "calibration/equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calibration/cases.h"
#include "calibration/float_pass.h"
#include "calibration/fold.h"
#include "calibration/hand_graph.h"

namespace flatenn::calibration {
namespace {

class EqualizeOnCases : public ::testing::TestWithParam<std::string> {};

TEST_P(EqualizeOnCases, KeepsTheFunction) {
  Case one = load_case(GetParam());
  fold(one.graph);
  const data::ImageSet images = random_images(one.images, 16, 11);
  const std::vector<float> before = float_logits(one.graph, images, 2);
  const std::vector<float> weights = one.graph.ops.front().weights.values;
  equalize(one.graph);
  const std::vector<float> after = float_logits(one.graph, images, 2);
  float most = 0;
  for (const float logit : before) most = std::max(most, std::abs(logit));
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-4F * most);
  // ReLU6, HardSwish and sums do not let factors pass.
  if (GetParam() == "lenet") {
    EXPECT_NE(one.graph.ops.front().weights.values, weights);
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, EqualizeOnCases, ::testing::ValuesIn(case_names()),
                         [](const auto& test) { return test.param; });

TEST(Equalize, GivesEveryChannelTheSameLargestWeightInBothLayers) {
  HandGraph hand({2, 1, 1});
  hand.conv("first", {8, -2, 0.1F, 0.05F}).low = 0;
  hand.conv("second", {0.5F, 3, -0.25F, 10});
  EXPECT_EQ(equalize(hand.graph), 1);
  const std::vector<float>& first = hand.graph.ops[0].weights.values;
  const std::vector<float>& second = hand.graph.ops[1].weights.values;
  for (size_t c = 0; c < 2; ++c) {
    const float row = std::max(std::abs(first[2 * c]), std::abs(first[2 * c + 1]));
    const float column = std::max(std::abs(second[c]), std::abs(second[2 + c]));
    EXPECT_NEAR(row, column, 1e-5F);
  }
  EXPECT_NEAR(first[0], std::sqrt(8 * 0.5F), 1e-5F);  // sqrt(r1 * r2)
}

TEST(Equalize, LeavesChannelsOfZerosAndLimitedOutputs) {
  HandGraph hand({2, 1, 1});
  hand.conv("first", {8, -2, 0, 0}).low = 0;
  hand.conv("second", {0.5F, 3, -0.25F, 10}).high = 6;
  hand.conv("third", {1, 2, 3, 4});
  EXPECT_EQ(equalize(hand.graph), 1);
  EXPECT_EQ(hand.graph.ops[1].weights.values[1], 3);
  EXPECT_EQ(hand.graph.ops[2].weights.values, (std::vector<float>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace flatenn::calibration
