#include "flatenn/engine/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

TEST(Top1, TiesTakeTheLowestClass) {
  const std::vector<float> logits{1, 3, 3, -2};
  EXPECT_EQ(top1(logits), 1);
  EXPECT_EQ(top1_of_rows(logits, 2), (std::vector<int64_t>{1, 0}));
}

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheirNumber) {
  const std::vector<float> logits(10, 1e30F);
  EXPECT_DOUBLE_EQ(cross_entropy(logits, 4), std::log(10.0));
}

TEST(CrossEntropy, SurvivesLargeLogits) {
  EXPECT_DOUBLE_EQ(cross_entropy(std::vector<float>{1e6F, 0}, 1), 1e6);
  EXPECT_DOUBLE_EQ(cross_entropy(std::vector<float>{1e6F, 0}, 0), 0);
}

TEST(Evaluate, CountsRightAnswersAndAveragesTheLoss) {
  const std::vector<float> logits{0, 0, 0, 0};
  const Evaluation e = evaluate(logits, 2, std::vector<uint16_t>{0, 1});
  EXPECT_EQ(e.correct, 1);
  EXPECT_DOUBLE_EQ(e.accuracy(), 0.5);
  EXPECT_DOUBLE_EQ(e.loss, std::log(2.0));
}

TEST(Evaluate, RefusesLabelsThatAreNoClass) {
  EXPECT_THROW(evaluate(std::vector<float>(4), 2, std::vector<uint16_t>{0, 2}), Error);
  EXPECT_THROW(evaluate(std::vector<float>(4), 2, std::vector<uint16_t>{0}), Error);
}

}  // namespace
}  // namespace flatenn::engine
