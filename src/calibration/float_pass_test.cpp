#include "calibration/float_pass.h"

#include <gtest/gtest.h>

#include "calibration/cases.h"
#include "calibration/fold.h"

namespace flatenn::calibration {
namespace {

/// Of the largest value of a tensor: sums in another order.
constexpr float kTolerance = 1e-4F;

/// Every tensor that ONNX Runtime knows by name; returns how many.
int compare(const Case& one, const FloatGraph& graph, FloatPass::Products products) {
  int compared = 0;
  const FloatPass pass(graph, 4, products);
  pass.run(float_images(one.images, graph.image, 0, one.images.count),
           [&](int64_t tensor, std::span<const float> values) {
             const std::string& name = graph.tensors[static_cast<size_t>(tensor)];
             if (!one.tensors.contains(name)) return;
             const nlohmann::json& fact = one.tensors[name];
             const std::vector<float> expected = fact["values"];
             const size_t step = fact["step"];
             float most = 0;
             for (const float value : expected) most = std::max(most, std::abs(value));
             for (size_t i = 0; i < expected.size(); ++i) {
               EXPECT_NEAR(values[i * step], expected[i], kTolerance * most) << name << " " << i;
             }
             ++compared;
           });
  return compared;
}

class FloatPassOnCases : public ::testing::TestWithParam<std::string> {};

TEST_P(FloatPassOnCases, GivesOnnxRuntimesValues) {
  const Case one = load_case(GetParam());
  const int tensors = compare(one, one.graph, FloatPass::Products::kPlain);
  EXPECT_GT(tensors, 8);
  EXPECT_EQ(compare(one, one.graph, FloatPass::Products::kOneDnn), tensors);
}

TEST_P(FloatPassOnCases, KeepsItsValuesThroughFolding) {
  Case one = load_case(GetParam());
  const size_t before = one.graph.ops.size();
  fold(one.graph);
  EXPECT_LT(one.graph.ops.size(), before);
  EXPECT_GT(compare(one, one.graph, FloatPass::Products::kOneDnn), 3);
}

INSTANTIATE_TEST_SUITE_P(Networks, FloatPassOnCases, ::testing::ValuesIn(case_names()),
                         [](const auto& test) { return test.param; });

/// A pass must not depend on how images fall into batches.
TEST(FloatPass, GivesEachImageItsLogits) {
  const Case one = load_case("resnet");
  const data::ImageSet images = random_images(one.images, 19, 5);
  const std::vector<float> together = float_logits(one.graph, images, 2);
  const FloatPass pass(one.graph, 1);
  for (int64_t i = 0; i < images.count; ++i) {
    const std::vector<float> alone = pass.run(float_images(images, one.graph.image, i, 1));
    for (size_t c = 0; c < alone.size(); ++c) {
      EXPECT_NEAR(together[static_cast<size_t>(i) * alone.size() + c], alone[c], 1e-4F);
    }
  }
}

}  // namespace
}  // namespace flatenn::calibration
