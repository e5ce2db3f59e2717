#include "calibration/bias_correction.h"

#include <gtest/gtest.h>

#include "calibration/cases.h"
#include "calibration/fold.h"
#include "calibration/network_builder.h"
#include "calibration/observe.h"
#include "calibration/quantized_weights.h"

namespace flatenn::calibration {
namespace {

class BiasCorrectionOnCases : public ::testing::TestWithParam<std::string> {};

QuantizedGraph quantize(const FloatGraph& graph, const data::ImageSet& images,
                        const CalibrationOptions& options) {
  QuantizedGraph result{.graph = graph,
                        .codes = choose_codes(graph, images, options),
                        .rounds = std::vector<bool>(graph.tensors.size(), true)};
  result.rounds[static_cast<size_t>(graph.output)] = !has_float_logits(graph);
  for (FloatOp& op : result.graph.ops) {
    if (!op.multiplies()) continue;
    const float scale = result.codes[static_cast<size_t>(op.inputs[0])].scale;
    op.weights.values = real_values(quantized_weights(op, scale, options));
  }
  return result;
}

/// On the images that it looked at nothing is left; on others most is gone.
TEST_P(BiasCorrectionOnCases, TakesTheMeanErrorOut) {
  Case one = load_case(GetParam());
  fold(one.graph);
  const data::ImageSet images = random_images(one.images, 48, 21);
  const data::ImageSet others = random_images(one.images, 48, 22);
  QuantizedGraph quantized =
      quantize(one.graph, images, {.weight_bits = 4, .activation_bits = 6, .per_channel = true});
  const double before = mean_error(one.graph, quantized, images, 2);
  const double before_others = mean_error(one.graph, quantized, others, 2);
  EXPECT_EQ(correct_biases(one.graph, quantized, images, 2), 48);
  EXPECT_LT(mean_error(one.graph, quantized, images, 2), 1e-3 * before);
  EXPECT_LT(mean_error(one.graph, quantized, others, 2), 0.5 * before_others);
}

INSTANTIATE_TEST_SUITE_P(Networks, BiasCorrectionOnCases, ::testing::ValuesIn(case_names()),
                         [](const auto& test) { return test.param; });

TEST(BiasCorrection, IsTheSameOnAnyNumberOfThreads) {
  Case one = load_case("resnet");
  fold(one.graph);
  const data::ImageSet images = random_images(one.images, 16, 3);
  QuantizedGraph first = quantize(one.graph, images, {.weight_bits = 3});
  QuantizedGraph second = first;
  correct_biases(one.graph, first, images, 1);
  correct_biases(one.graph, second, images, 3);
  for (size_t i = 0; i < first.graph.ops.size(); ++i) {
    EXPECT_EQ(first.graph.ops[i].weights.bias, second.graph.ops[i].weights.bias);
  }
}

}  // namespace
}  // namespace flatenn::calibration
