#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "calibration/float_pass.h"
#include "calibration/fold.h"
#include "flatenn/calibration/calibrate.h"

/// The corpus's float networks (tests/corpus) beside what ONNX Runtime computes.
namespace flatenn::calibration {
namespace {

const std::string kCorpus = FLATENN_CORPUS;

std::vector<float> unzipped(const std::string& path) {
  std::vector<float> values(1 << 16);
  gzFile file = gzopen(path.c_str(), "rb");
  const int bytes = gzread(file, values.data(), static_cast<unsigned>(values.size() * 4));
  gzclose(file);
  values.resize(static_cast<size_t>(bytes) / 4);
  return values;
}

class FloatCorpus : public ::testing::TestWithParam<std::string> {};

TEST_P(FloatCorpus, GivesOnnxRuntimesLogitsFoldedOrNot) {
  const auto facts =
      nlohmann::json::parse(std::ifstream(kCorpus + "/expected/" + GetParam() + ".json"));
  const std::vector<float> values = unzipped(kCorpus + "/expected/" + GetParam() + ".bin");
  const std::vector<int64_t> shape = facts["input"]["shape"];
  const auto image_values = shape[0] * shape[1] * shape[2] * shape[3];
  const std::vector<float> images(values.begin(), values.begin() + image_values);
  const std::vector<float> expected(values.begin() + image_values, values.end());
  FloatGraph graph = interop::read_float_onnx(kCorpus + "/models/" + GetParam() + ".onnx");
  for (const bool folded : {false, true}) {
    if (folded) fold(graph);
    const std::vector<float> logits = FloatPass(graph, shape[0]).run(images);
    ASSERT_EQ(logits.size(), expected.size());
    for (size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(logits[i], expected[i], 1e-4F * std::max(1.0F, std::abs(expected[i]))) << folded;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, FloatCorpus,
                         ::testing::Values("torch_float_plain", "torch_float_residual",
                                           "float_residual_bn"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace flatenn::calibration
