#include "flatenn/analysis/landscape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "analysis/hand_network.h"
#include "base/temporary_folder.h"
#include "flatenn/analysis/landscape_question.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"

namespace flatenn::analysis {
namespace {

/// loss = |w + move|^2 with w = (3, 4): everything about it is known.
class Bowl : public Surface {
 public:
  torch::Tensor weights() const override { return torch::tensor({3.0F, 4.0F}); }
  std::vector<std::vector<int64_t>> shapes() const override { return {{1, 2}}; }
  SurfaceValue at(const torch::Tensor& move) override {
    ++evaluations;
    return {(weights() + move).square().sum().item<double>(), 0.5};
  }
  torch::Tensor gradient() override { return 2 * weights(); }
  int64_t evaluations = 0;
};

class TraceLandscape : public testing::Test {
 protected:
  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "landscape.csv";
};

TEST_F(TraceLandscape, WalksTheAscentDirectionOfABowl) {
  Bowl bowl;
  const LandscapeOptions options{.points = 3, .range = 1};
  const LandscapeAxes axes = ascent_axes(bowl, 1, options);
  const Landscape landscape = trace_landscape(bowl, axes, options, file_, "bowl");
  // The direction has the filter's own norm 5: at -1 the weights vanish, at 1 they double.
  ASSERT_EQ(landscape.points.size(), 3U);
  EXPECT_NEAR(landscape.points[0].value.loss, 0, 1e-6);
  EXPECT_NEAR(landscape.points[1].value.loss, 25, 1e-4);
  EXPECT_NEAR(landscape.points[2].value.loss, 100, 1e-4);
}

/// The bowl's vanishing point as another model.
WeightPoint zero_model() {
  return {"zero", torch::tensor({0.0F, 0.0F}), torch::empty({0}), {{1, 2}}};
}

TEST_F(TraceLandscape, WalksThePathBetweenTwoModels) {
  Bowl bowl;
  const LandscapeOptions options{.points = 5, .range = 1};
  const LandscapeAxes axes = path_axes(bowl, zero_model(), 0, options);
  const Landscape landscape = trace_landscape(bowl, axes, options, file_, "bowl");
  EXPECT_NEAR(landscape.points[1].x, 0, 1e-12);
  EXPECT_NEAR(landscape.points[1].value.loss, 25, 1e-4);
  EXPECT_NEAR(landscape.points[3].x, 1, 1e-12);
  EXPECT_NEAR(landscape.points[3].value.loss, 0, 1e-6);
}

TEST_F(TraceLandscape, WalksThePlaneOfAPathAndARandomDirection) {
  Bowl bowl;
  const LandscapeOptions options{.points = 5, .range = 1, .two_dimensional = true};
  const LandscapeAxes axes = path_axes(bowl, zero_model(), 3, options);
  const Landscape landscape = trace_landscape(bowl, axes, options, file_, "bowl");
  ASSERT_EQ(landscape.points.size(), 25U);
  EXPECT_EQ(landscape.points[0].x, -0.5);
  EXPECT_EQ(landscape.points[0].y, -1);
  EXPECT_EQ(landscape.points[24].x, 1.5);
  EXPECT_EQ(landscape.points[24].y, 1);
  EXPECT_NEAR(landscape.points[2 * 5 + 3].value.loss, 0, 1e-6);   // the other model
  EXPECT_NEAR(landscape.points[4 * 5 + 3].value.loss, 25, 1e-4);  // a filter norm from it
}

TEST(PathAxes, RefuseModelsWhoseLayersDoNotMatch) {
  Bowl bowl;
  const auto message = [&](const WeightPoint& other) {
    try {
      path_axes(bowl, other, 0, {});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const torch::Tensor none = torch::empty({0});
  EXPECT_EQ(message({"other", torch::zeros({3}), none, {{1, 3}}}),
            "landscape: the layers of other do not match: layer 1 has weights of shape [1, 3], "
            "expected [1, 2]");
  EXPECT_EQ(message({"other", torch::zeros({2}), none, {{2, 1}}}),
            "landscape: the layers of other do not match: layer 1 has weights of shape [2, 1], "
            "expected [1, 2]");
  EXPECT_EQ(message({"other", torch::zeros({3}), none, {{1, 2}, {1, 1}}}),
            "landscape: the layers of other do not match: 2 with weights, expected 1");
  EXPECT_EQ(message({"other", torch::zeros({2}), torch::zeros({1}), {{1, 2}}}),
            "landscape: the layers of other do not match: biases, scales or batch norm of another "
            "number");
  EXPECT_EQ(message({"same", bowl.weights(), none, {{1, 2}}}),
            "landscape: same is the same network, there is no path");
}

TEST_F(TraceLandscape, GivesTheSameBitsWhereItWasStopped) {
  Bowl bowl;
  const LandscapeOptions options{.points = 3, .range = 0.7, .two_dimensional = true};
  const LandscapeAxes axes = random_axes(bowl, 4, options);
  const Landscape whole = trace_landscape(bowl, axes, options, file_, "bowl");
  const std::string full = read_file(file_);
  // Cut inside the sixth point: four whole ones and a part of the fifth are left.
  size_t cut = 0;
  for (int line = 0; line < 6; ++line) cut = full.find('\n', cut) + 1;
  std::ofstream(file_, std::ios::trunc) << full.substr(0, cut + 4);
  Bowl again;
  const Landscape resumed = trace_landscape(again, axes, options, file_, "bowl");
  EXPECT_EQ(again.evaluations, 5);
  EXPECT_EQ(read_file(file_), full);
  for (size_t i = 0; i < whole.points.size(); ++i) {
    EXPECT_EQ(resumed.points[i].x, whole.points[i].x);
    EXPECT_EQ(resumed.points[i].value.loss, whole.points[i].value.loss);
  }
}

TEST_F(TraceLandscape, KeepsEveryPointBeforeAStop) {
  struct Stop {};
  Bowl bowl;
  const LandscapeOptions options{.points = 5, .range = 1};
  const LandscapeAxes axes = random_axes(bowl, 4, options);
  EXPECT_THROW(trace_landscape(bowl, axes, options, file_, "bowl",
                               [](int64_t done, int64_t) {
                                 if (done == 2) throw Stop{};
                               }),
               Stop);
  trace_landscape(bowl, axes, options, file_, "bowl");
  EXPECT_EQ(bowl.evaluations, 5);
}

TEST_F(TraceLandscape, RefusesTheFileOfAnotherLandscapeAndBadOptions) {
  Bowl bowl;
  const LandscapeOptions options{.points = 3, .range = 1};
  const LandscapeAxes axes = random_axes(bowl, 4, options);
  trace_landscape(bowl, axes, options, file_, "bowl");
  EXPECT_THROW(trace_landscape(bowl, axes, options, file_, "other"), Error);
  EXPECT_THROW(trace_landscape(bowl, axes, {.points = 4, .range = 1}, file_, "bowl"), Error);
  EXPECT_THROW(trace_landscape(bowl, axes, {.points = 3, .range = 0}, file_, "bowl"), Error);
  std::ofstream(file_, std::ios::trunc) << "";
  EXPECT_THROW(trace_landscape(bowl, axes, options, file_, "bowl"), Error);
}

TEST_F(TraceLandscape, NamesWhatDiffersInAnotherLandscapesFile) {
  Bowl bowl;
  const LandscapeOptions options{.points = 3, .range = 1};
  const LandscapeAxes axes = random_axes(bowl, 4, options);
  const std::string identity = R"({"images":5,"seed":1,"towards":"a","towards_hash":"12"})";
  trace_landscape(bowl, axes, options, file_, identity);
  try {
    trace_landscape(bowl, axes, options, file_,
                    R"({"images":5,"seed":2,"towards":"a","towards_hash":"12"})");
    ADD_FAILURE() << "another seed is another landscape";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              file_.string() +
                  ": holds another landscape (seed 1, now 2); give another --out or remove it");
  }
  const int64_t before = bowl.evaluations;
  trace_landscape(bowl, axes, options, file_,
                  R"({"images":5,"seed":1,"towards":"moved/a","towards_hash":"12"})");
  EXPECT_EQ(bowl.evaluations, before) << "the same network at another place is no other";
}

TEST(RandomAxes, AreAFunctionOfTheSeed) {
  Bowl bowl;
  const LandscapeOptions options{.two_dimensional = true};
  const LandscapeAxes a = random_axes(bowl, 4, options);
  const LandscapeAxes b = random_axes(bowl, 4, options);
  EXPECT_TRUE(torch::equal(a.x, b.x));
  EXPECT_FALSE(torch::equal(a.x, a.y));
  EXPECT_FALSE(torch::equal(a.x, random_axes(bowl, 5, options).x));
}

/// The hand network with other weights, biases and scales.
std::shared_ptr<const net::Network> other_network() {
  auto network = std::make_shared<net::Network>(*hand_network());
  network->activations[1].scale = 0.4F;
  for (net::Layer& layer : network->layers) {
    std::rotate(layer.weights.codes.begin(), layer.weights.codes.begin() + 4,
                layer.weights.codes.end());
    layer.weights.scales[0] *= 1.5F;
    for (int32_t& bias : layer.bias) bias += 17;
  }
  return network;
}

LossSurface surface_of(const std::shared_ptr<const net::Network>& network) {
  return LossSurface(std::make_shared<TorchNetwork>(network), hand_images(), hand_labels());
}

TEST(PathAxes, EndInTheOtherNetworkWithItsBiasesAndScales) {
  const LossSurface start = surface_of(hand_network()), end = surface_of(other_network());
  DequantizedSurface surface(start);
  const WeightPoint point{"other", end.flat_weights(), end.view().rest(),
                          end.view().weight_shapes()};
  const LandscapeAxes axes = path_axes(surface, point, 0, {});
  const double own = start.value(start.zero_move()).loss;
  const double other = end.value(end.zero_move()).loss;
  ASSERT_GT(std::abs(own - other), 1e-2);
  EXPECT_NEAR(surface.at(axes.x * 0).loss, own, 1e-5);
  EXPECT_NEAR(surface.at(axes.x).loss, other, 1e-5);
}

TEST(PathAxes, RefuseOtherCodeRanges) {
  net::Network other = *other_network();
  EXPECT_NO_THROW(check_same_codes(*hand_network(), other, "other"));
  other.activations[1].bits = 3;
  EXPECT_THROW(check_same_codes(*hand_network(), other, "other"), Error);
  other.activations.pop_back();
  EXPECT_THROW(check_same_codes(*hand_network(), other, "other"), Error);
}

TEST(WeightsHash, TellsWeightsApart) {
  EXPECT_EQ(weights_hash(torch::ones({3})), weights_hash(torch::ones({3})));
  EXPECT_NE(weights_hash(torch::ones({3})), weights_hash(torch::zeros({3})));
}

}  // namespace
}  // namespace flatenn::analysis
