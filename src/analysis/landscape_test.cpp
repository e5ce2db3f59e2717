#include "flatenn/analysis/landscape.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/temporary_folder.h"
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

TEST_F(TraceLandscape, WalksThePathBetweenTwoModels) {
  Bowl bowl;
  const LandscapeOptions options{.points = 5, .range = 1};
  const LandscapeAxes axes = path_axes(bowl, torch::tensor({0.0F, 0.0F}), "zero", options);
  const Landscape landscape = trace_landscape(bowl, axes, options, file_, "bowl");
  EXPECT_NEAR(landscape.points[1].x, 0, 1e-12);
  EXPECT_NEAR(landscape.points[1].value.loss, 25, 1e-4);
  EXPECT_NEAR(landscape.points[3].x, 1, 1e-12);
  EXPECT_NEAR(landscape.points[3].value.loss, 0, 1e-6);
  EXPECT_THROW(path_axes(bowl, torch::zeros({3}), "other", options), Error);
  EXPECT_THROW(path_axes(bowl, bowl.weights(), "same", options), Error);
}

TEST_F(TraceLandscape, ResumesWhereItStopped) {
  Bowl bowl;
  const LandscapeOptions options{.points = 3, .range = 1, .two_dimensional = true};
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
  EXPECT_NEAR(resumed.points[0].value.loss, whole.points[0].value.loss, 1e-6);
}

TEST_F(TraceLandscape, RefusesTheFileOfAnotherLandscapeAndBadOptions) {
  Bowl bowl;
  const LandscapeOptions options{.points = 3, .range = 1};
  const LandscapeAxes axes = random_axes(bowl, 4, options);
  trace_landscape(bowl, axes, options, file_, "bowl");
  EXPECT_THROW(trace_landscape(bowl, axes, options, file_, "other"), Error);
  EXPECT_THROW(trace_landscape(bowl, axes, {.points = 4, .range = 1}, file_, "bowl"), Error);
  EXPECT_THROW(trace_landscape(bowl, axes, {.points = 3, .range = 0}, file_, "bowl"), Error);
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

}  // namespace
}  // namespace flatenn::analysis
