#include "calibration/fold.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "calibration/float_pass.h"
#include "calibration/hand_graph.h"

namespace flatenn::calibration {
namespace {

const net::Shape kImage{2, 2, 2};
const std::vector<float> kPixels = {-3, -1, 0.5F, 2, 4, -0.25F, 1, 7};

std::vector<float> run(const FloatGraph& graph) {
  std::vector<float> pixels = kPixels;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const std::vector<float>& factor = graph.image.factor;
    const std::vector<float>& shift = graph.image.shift;
    if (!factor.empty()) pixels[i] *= factor[factor.size() == 1 ? 0 : i / 4];
    if (!shift.empty()) pixels[i] += shift[shift.size() == 1 ? 0 : i / 4];
  }
  return FloatPass(graph, 1, FloatPass::Products::kPlain).run(pixels);
}

/// Folds, and expects the same logits from as many operations as are left.
void expect_folds_to(FloatGraph graph, const std::vector<FloatKind>& kinds) {
  const std::vector<float> before = run(graph);
  fold(graph);
  std::vector<FloatKind> left;
  for (const FloatOp& op : graph.ops) left.push_back(op.kind);
  EXPECT_EQ(left, kinds);
  const std::vector<float> after = run(graph);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-5F) << i;
}

TEST(Fold, TakesFactorsAndLimitsIntoTheConvolutionBefore) {
  HandGraph hand(kImage);
  hand.conv("conv", {1, 2, -1, 0.5F}).weights.bias = {0.5F, -1};
  hand.affine("norm", {2, -3}, {0.25F, 1});
  hand.limits("relu", 0, INFINITY);
  hand.limits("clip", -1, 6);
  expect_folds_to(hand.graph, {FloatKind::kConv});
}

TEST(Fold, TakesTheImagesAffineStepsIntoItsTransform) {
  HandGraph hand(kImage);
  hand.affine("scale", {0.5F}, {});
  hand.affine("shift", {}, {1, -1});
  hand.conv("conv", {1, 2, -1, 0.5F});
  expect_folds_to(hand.graph, {FloatKind::kConv});
}

TEST(Fold, LimitsBeforeAPoolWhatIsLimitedBehindIt) {
  HandGraph hand(kImage);
  hand.conv("conv", {1, 2, -1, 0.5F});
  FloatOp& pool = hand.add(FloatKind::kMaxPool, "pool");
  pool.window.set_kernel(2);
  pool.window.set_pad(0);
  pool.out = {2, 1, 1};
  FloatOp& relu = hand.limits("relu", 0, INFINITY);
  relu.in = relu.out = {2, 1, 1};
  FloatGraph folded = hand.graph;
  fold(folded);
  EXPECT_EQ(folded.ops.front().low, 0);
  expect_folds_to(hand.graph, {FloatKind::kConv, FloatKind::kMaxPool});
}

TEST(Fold, MakesOneFunctionOfHardSwishByParts) {
  HandGraph hand(kImage);
  hand.conv("conv", {1, 2, -1, 0.5F});
  const int64_t x = hand.graph.output;
  hand.affine("plus3", {}, {3});
  hand.limits("clip", 0, 6);
  hand.add(FloatKind::kMul, "times", {hand.graph.output, x});
  hand.affine("by6", {1 / 6.0F}, {});
  expect_folds_to(hand.graph, {FloatKind::kConv, FloatKind::kFunction});
}

TEST(Fold, MakesASumTheSkipOfTheLaterConvolution) {
  HandGraph hand(kImage);
  hand.conv("first", {1, 2, -1, 0.5F});
  const int64_t x = hand.graph.output;
  hand.conv("second", {0.5F, 0, 1, -1});
  hand.add(FloatKind::kAdd, "sum", {x, hand.graph.output});
  hand.limits("relu", 0, INFINITY);
  FloatGraph folded = hand.graph;
  fold(folded);
  EXPECT_EQ(folded.ops.back().skip, x);
  expect_folds_to(hand.graph, {FloatKind::kConv, FloatKind::kConv});
}

/// What two operations read must stay as it is.
TEST(Fold, LeavesWhatIsReadTwice) {
  HandGraph hand(kImage);
  hand.conv("conv", {1, 2, -1, 0.5F});
  const int64_t x = hand.graph.output;
  hand.limits("relu", 0, INFINITY);
  hand.add(FloatKind::kAdd, "sum", {x, hand.graph.output});
  expect_folds_to(hand.graph, {FloatKind::kConv, FloatKind::kFunction, FloatKind::kAdd});
}

TEST(Fold, DropsMovesThatUndoEachOther) {
  HandGraph hand(kImage);
  hand.conv("conv", {1, 2, -1, 0.5F});
  hand.add(FloatKind::kMove, "there").order = {7, 6, 5, 4, 3, 2, 1, 0};
  hand.add(FloatKind::kMove, "back").order = {7, 6, 5, 4, 3, 2, 1, 0};
  hand.conv("last", {1, 0, 0, 1});
  expect_folds_to(hand.graph, {FloatKind::kConv, FloatKind::kConv});
}

TEST(Fold, DropsWhatTheLogitsDoNotNeed) {
  HandGraph hand(kImage);
  hand.conv("conv", {1, 2, -1, 0.5F});
  const int64_t logits = hand.graph.output;
  hand.conv("dead", {1, 2, -1, 0.5F});
  hand.graph.output = logits;
  expect_folds_to(hand.graph, {FloatKind::kConv});
}

}  // namespace
}  // namespace flatenn::calibration
