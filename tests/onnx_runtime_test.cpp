#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/temporary_folder.h"
#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/engine/evaluate.h"
#include "flatenn/interop/onnx.h"

/// The written file means the same to ONNX Runtime, graph optimizations off, as to our engine.
namespace flatenn {
namespace {

constexpr int64_t kImages = 32;
/// ONNX Runtime multiplies real numbers and rounds each product and sum where flatenn adds
/// integers. A code may therefore land one step away where y is within that error of a
/// half-integer, which moves some logits by a few weight steps. Most images see none of it.
constexpr double kShareOfExactImages = 0.5;
constexpr double kExact = 1e-4;  ///< Relative to the largest logit: float sums of up to 400 terms.

std::string node_modules() {
  const std::filesystem::path folder = FLATENN_SOURCE_DIR "/tools/node/node_modules";
  return std::filesystem::exists(folder / "onnxruntime-node") ? folder.string() : std::string();
}

class OnnxRuntimeAgrees : public ::testing::TestWithParam<net::testing::NamedNetwork> {};

TEST_P(OnnxRuntimeAgrees, WithGraphOptimizationsOff) {
  if (std::system("node --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "node is missing";
  if (node_modules().empty()) GTEST_SKIP() << "onnxruntime-node is missing (./dev setup)";
  const net::Network& network = GetParam().network;
  const TemporaryFolder folder;
  const auto images = engine::testing::random_images(network, kImages, 3);
  std::string pixels;
  for (const int8_t code : images->codes) {
    const float pixel = static_cast<float>(code) * network.input().scale;
    pixels.append(reinterpret_cast<const char*>(&pixel), sizeof pixel);
  }
  write_file_atomically(folder / "pixels", pixels);
  interop::write_onnx(network, folder / "model.onnx");
  const net::Shape& shape = network.input().shape;
  const std::string command =
      detail::concat("node " FLATENN_SOURCE_DIR "/tests/onnx_runtime.js ", node_modules(), " ",
                     (folder / "model.onnx").string(), " ", (folder / "pixels").string(), " ",
                     (folder / "logits").string(), " ", kImages, " ", shape.channels, " ",
                     shape.height, " ", shape.width);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const std::string bytes = read_file(folder / "logits");

  const auto shared = std::make_shared<net::Network>(network);
  const auto engine = engine::make_engine(shared, images, {.threads = 1});
  const std::vector<float> ours = engine::golden_logits(*engine, network, *images);
  std::vector<float> theirs(ours.size());
  ASSERT_EQ(bytes.size(), theirs.size() * sizeof(float));
  std::memcpy(theirs.data(), bytes.data(), bytes.size());

  float largest = 0;
  for (const float logit : ours) largest = std::fmax(largest, std::fabs(logit));
  const auto classes = static_cast<size_t>(network.classes());
  int64_t exact = 0;
  int64_t same_top1 = 0;
  for (size_t i = 0; i < static_cast<size_t>(kImages); ++i) {
    const std::span a(&ours[i * classes], classes);
    const std::span b(&theirs[i * classes], classes);
    double error = 0;
    for (size_t c = 0; c < classes; ++c) error = std::fmax(error, std::fabs(a[c] - b[c]));
    exact += error <= kExact * static_cast<double>(largest) ? 1 : 0;
    same_top1 += engine::top1(a) == engine::top1(b) ? 1 : 0;
  }
  EXPECT_GE(static_cast<double>(exact), kShareOfExactImages * kImages);
  EXPECT_GE(same_top1, kImages - 2);
}

std::vector<net::testing::NamedNetwork> subjects() {
  std::vector<net::testing::NamedNetwork> result;
  const net::testing::RandomOptions four{};
  const net::testing::RandomOptions odd{.seed = 3, .value_map = net::ValueMap::kOdd};
  const net::testing::RandomOptions eight{.seed = 5, .weight_bits = 8, .activation_bits = 8};
  result.push_back({"Lenet", net::testing::lenet(four, 16)});
  result.push_back({"Residual", net::testing::residual(four)});
  result.push_back({"OddShapes", net::testing::odd_shapes(four)});
  result.push_back({"LenetLiq", net::testing::lenet(odd, 16)});
  result.push_back({"ResidualEightBits", net::testing::residual(eight)});
  return result;
}

INSTANTIATE_TEST_SUITE_P(Networks, OnnxRuntimeAgrees, ::testing::ValuesIn(subjects()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace flatenn
