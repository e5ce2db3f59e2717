#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "calibration/cases.h"
#include "calibration/hand_graph.h"
#include "flatenn/base/error.h"
#include "flatenn/calibration/calibrate.h"
#include "flatenn/engine/engine.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"

/// Float networks, quantized and then run by the engines.
namespace flatenn::calibration {
namespace {

std::vector<float> quantized_logits(const net::Network& network, const data::ImageSet& images,
                                    engine::EngineKind kind = engine::EngineKind::kReference) {
  const auto shared = std::make_shared<const net::Network>(network);
  const auto codes = engine::quantize_images(images, network);
  const auto engine = engine::make_engine(shared, codes, {.kind = kind, .threads = 2});
  return engine::golden_logits(*engine, network, *codes);
}

/// Root of the mean squared difference, in parts of the logits' own spread.
double relative_error(const std::vector<float>& got, const std::vector<float>& expected) {
  double error = 0;
  double spread = 0;
  double mean = 0;
  for (const float x : expected)
    mean += static_cast<double>(x) / static_cast<double>(expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i] - expected[i]), 2);
    spread += std::pow(static_cast<double>(expected[i]) - mean, 2);
  }
  return std::sqrt(error / spread);
}

class CalibrateCases : public ::testing::TestWithParam<std::string> {
 protected:
  const Case one_ = load_case(GetParam());
  const data::ImageSet images_ = random_images(one_.images, 32, 7);
  const data::ImageSet tests_ = random_images(one_.images, 16, 8);
  const std::vector<float> real_ = float_logits(one_.graph, tests_, 2);

  double error(const CalibrationOptions& options) const {
    const net::Network network = calibrate(one_.graph, images_, options).network;
    return relative_error(quantized_logits(network, tests_), real_);
  }
};

TEST_P(CalibrateCases, KeepsTheLogitsAtEightBits) {
  for (const RangeMethod method :
       {RangeMethod::kMinMax, RangeMethod::kPercentile, RangeMethod::kMse}) {
    for (const bool extras : {false, true}) {
      EXPECT_LT(error({.method = method,
                       .per_channel = extras,
                       .bias_correction = extras,
                       .equalize = extras}),
                0.12)
          << range_method_names()[static_cast<size_t>(method)] << " " << extras;
    }
  }
}

TEST_P(CalibrateCases, LosesMoreWithFewerBits) {
  const double eight = error({.per_channel = true});
  const double five = error({.weight_bits = 5, .activation_bits = 5, .per_channel = true});
  EXPECT_LT(eight, five);
  EXPECT_TRUE(std::isfinite(error({.weight_bits = 2, .activation_bits = 2})));
}

TEST_P(CalibrateCases, HasTheBitsThatWereAskedFor) {
  const Calibrated made = calibrate(one_.graph, images_, {.weight_bits = 3, .activation_bits = 5});
  for (size_t i = 0; i < made.network.layers.size(); ++i) {
    const net::Layer& layer = made.network.layers[i];
    const net::Activation& dst = made.network.activations[static_cast<size_t>(layer.dst)];
    if (layer.multiplies()) {
      EXPECT_EQ(layer.weights.bits, 3);
    }
    if (!dst.is_float) {
      EXPECT_EQ(dst.bits, 5);
    }
    EXPECT_EQ(made.layers[i].name, layer.name);
  }
  EXPECT_EQ(made.network.input().bits, 8);
}

TEST_P(CalibrateCases, SurvivesWritingAndReading) {
  const net::Network network = calibrate(one_.graph, images_, {.per_channel = true}).network;
  const auto path = std::filesystem::temp_directory_path() / ("calibrated_" + GetParam() + ".onnx");
  interop::write_onnx(network, path);
  const net::Network again = interop::read_onnx(path);
  std::filesystem::remove(path);
  EXPECT_EQ(quantized_logits(again, tests_), quantized_logits(network, tests_));
}

TEST_P(CalibrateCases, GivesTheSameNetworkOnAnyNumberOfThreads) {
  const CalibrationOptions options{
      .method = RangeMethod::kMse, .bias_correction = true, .threads = 1};
  CalibrationOptions more = options;
  more.threads = 3;
  EXPECT_EQ(net::content_hash(calibrate(one_.graph, images_, options).network),
            net::content_hash(calibrate(one_.graph, images_, more).network));
}

INSTANTIATE_TEST_SUITE_P(Networks, CalibrateCases, ::testing::ValuesIn(case_names()),
                         [](const auto& test) { return test.param; });

/// Networks of ReLU, sums and pools run on the fast engines.
TEST(Calibrate, MakesPlainNetworksOfPlainOnes) {
  for (const char* name : {"lenet", "resnet"}) {
    Case one = load_case(name);
    one.graph.image = {};  // the data set's own normalization
    const data::ImageSet images = random_images(one.images, 8, 1);
    data::ImageSet centred = images;
    centred.mean.assign(centred.mean.size(), 0.5F);
    const net::Network network = calibrate(one.graph, centred, {}).network;
    EXPECT_TRUE(network.is_plain()) << name;
    EXPECT_EQ(quantized_logits(network, centred),
              quantized_logits(network, centred, engine::EngineKind::kLanes));
  }
}

data::ImageSet grey(uint8_t pixel) {
  data::ImageSet images;
  images.name = "grey";
  images.count = 3;
  images.channels = 1;
  images.height = images.width = 2;
  images.pixels.assign(12, pixel);
  images.labels.assign(3, 0);
  images.mean = {0};
  images.std = {1};
  return images;
}

TEST(Calibrate, KeepsConstantsOfDeadTensors) {
  HandGraph hand({1, 2, 2});
  FloatOp& dead = hand.conv("dead", {0, 0});
  dead.weights.bias = {-1, 2};
  dead.low = 0;
  hand.conv("last", {1, 1});
  for (const int pixel : {0, 255}) {
    const net::Network network =
        calibrate(hand.graph, grey(static_cast<uint8_t>(pixel)), {}).network;
    for (const float logit : quantized_logits(network, grey(9))) EXPECT_NEAR(logit, 2, 0.02);
  }
}

TEST(Calibrate, NamesWhereValuesAreNotFinite) {
  HandGraph hand({1, 2, 2});
  hand.conv("huge", {3e38F, 1});
  hand.conv("beyond", {3e38F, 1});
  hand.conv("last", {1});
  try {
    calibrate(hand.graph, grey(255), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("node beyond (Hand): gives inf for image 0"));
  }
}

TEST(Calibrate, RefusesOptionsOutOfRange) {
  HandGraph hand({1, 2, 2});
  hand.conv("conv", {1, 1});
  for (const CalibrationOptions& options :
       {CalibrationOptions{.weight_bits = 1}, CalibrationOptions{.weight_bits = 9},
        CalibrationOptions{.activation_bits = 1}, CalibrationOptions{.percentile = 50},
        CalibrationOptions{.percentile = 101}, CalibrationOptions{.percentile = NAN}}) {
    EXPECT_THROW(calibrate(hand.graph, grey(1), options), Error);
  }
}

TEST(FitImages, TakesFlatAndChannelsLastNetworks) {
  data::ImageSet images = grey(0);
  images.channels = 3;
  images.pixels.assign(36, 1);
  HandGraph flat({12, 1, 1});
  EXPECT_EQ(fit_images(flat.graph, images).input, (net::Shape{3, 2, 2}));
  HandGraph last({2, 2, 3});
  const FloatGraph fitted = fit_images(last.graph, images);
  EXPECT_EQ(fitted.input, (net::Shape{3, 2, 2}));
  EXPECT_THAT(fitted.ops.front().order,
              ::testing::ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  HandGraph other({1, 2, 2});
  EXPECT_THROW(fit_images(other.graph, images), Error);
}

}  // namespace
}  // namespace flatenn::calibration
