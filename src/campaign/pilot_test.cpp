#include "flatenn/campaign/pilot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "campaign/cell_state.h"
#include "campaign/image_subset.h"
#include "flatenn/base/random.h"
#include "flatenn/campaign/statistics.h"
#include "flatenn/campaign/stop_rule.h"

namespace flatenn::campaign {
namespace {

/// A world whose truth is known: image i is hard with a fixed chance h(i), golden gets it right
/// unless hard, and map t breaks right images with a chance of its own.
class World {
 public:
  explicit World(int64_t images) : images_(images) {
    RandomStream random(1, 0, RandomPurpose::kShuffle);
    for (int64_t i = 0; i < images; ++i) golden_.push_back(random.uniform() < 0.9);
  }
  bool golden(int64_t image) const { return golden_[static_cast<size_t>(image)]; }
  double golden_accuracy() const {
    return share([&](int64_t i) { return golden(i); });
  }
  bool faulty(int64_t trial, int64_t image) const {
    RandomStream map(2, static_cast<uint64_t>(trial), RandomPurpose::kPilot);
    const double damage = 0.05 + 0.1 * map.uniform();
    RandomStream outcome(3, static_cast<uint64_t>(trial), RandomPurpose::kPilot,
                         static_cast<uint64_t>(image));
    const double u = outcome.uniform();
    return golden(image) ? u >= damage : u < 0.1;
  }
  double accuracy(int64_t trial) const {
    return share([&](int64_t i) { return faulty(trial, i); });
  }
  PilotTrial pilot_trial(int64_t trial, int64_t count) const {
    PilotTrial counts{.images = count};
    for (const int64_t i : image_subset(4, trial, images_, count)) {
      const bool f = faulty(trial, i);
      const bool g = golden(i);
      counts.right_both += f && g;
      counts.right_golden += !f && g;
      counts.right_faulty += f && !g;
    }
    return counts;
  }
  store::TrialRow row(int64_t trial, int64_t count, uint64_t seed) const {
    store::TrialRow row{.trial = trial, .images = count};
    for (const int64_t i : image_subset(seed, trial, images_, count)) {
      row.correct += faulty(trial, i);
      row.golden_correct += golden(i);
    }
    return row;
  }
  int64_t images() const { return images_; }

 private:
  template <typename Predicate>
  double share(Predicate predicate) const {
    int64_t count = 0;
    for (int64_t i = 0; i < images_; ++i) count += predicate(i);
    return static_cast<double>(count) / static_cast<double>(images_);
  }
  int64_t images_;
  std::vector<bool> golden_;
};

PilotCell learn(const World& world, int64_t maps, int64_t images) {
  std::vector<PilotTrial> trials;
  for (int64_t t = 0; t < maps; ++t) trials.push_back(world.pilot_trial(t, images));
  return estimate_cell(trials, world.images(), world.golden_accuracy());
}

TEST(Pilot, SeparatesTheSpreadOfMapsFromThatOfImages) {
  const World world(1000);
  const PilotCell cell = learn(world, 300, 200);
  std::vector<double> accuracies;
  for (int64_t t = 0; t < 300; ++t) accuracies.push_back(world.accuracy(t));
  const Summary truth = summarize(accuracies);
  EXPECT_NEAR(cell.mean, truth.mean, 0.004);
  EXPECT_NEAR(cell.between_sd, truth.sd, 0.15 * truth.sd);
}

TEST(Pilot, AddsTheVarianceOfMapsAndOfTheImagesLookedAt) {
  PilotCell cell;
  cell.between_sd = 0.02;
  cell.within_sd = 0.3;
  EXPECT_NEAR(cell.variance(30, 1000), 0.0004 + 0.09 * (1 - 0.03) / 30, 1e-15);
  EXPECT_NEAR(cell.variance(1000, 1000), 0.0004, 1e-15) << "all images";
}

/// The first look at which Student's interval would be narrow enough, found by trying all.
TEST(Pilot, AsksForNoMoreTrialsThanAnIntervalNeeds) {
  PilotCell cell;
  cell.between_sd = 0.02;
  cell.within_sd = 0.3;
  for (const double half_width : {0.0005, 0.002, 0.004, 0.01, 0.05}) {
    const double sd = std::sqrt(cell.variance(100, 1000));
    int64_t expected = 0;
    do {
      expected = std::min<int64_t>(next_checkpoint(expected), 5000);
    } while (expected < 5000 && student_interval(0, sd, expected).half_width() > half_width);
    EXPECT_EQ(cell.trials_for(half_width, 100, 1000, 5000), expected) << half_width;
  }
}

TEST(Pilot, PredictsTheVarianceOfTrialsOnFewImages) {
  const World world(1000);
  const PilotCell cell = learn(world, 300, 200);
  const Estimator estimator{.control = cell.control, .golden_accuracy = world.golden_accuracy()};
  for (const int64_t images : {30, 100, 500}) {
    std::vector<double> values;
    for (int64_t t = 300; t < 900; ++t) values.push_back(estimator.value(world.row(t, images, 9)));
    const double measured = summarize(values).sd;
    EXPECT_NEAR(std::sqrt(cell.variance(images, world.images())), measured, 0.12 * measured);
  }
}

TEST(Pilot, TheControlVariateIsUnbiasedAndSharper) {
  const World world(400);
  const PilotCell cell = learn(world, 50, 100);
  EXPECT_GT(cell.control, 0.5);
  const double golden = world.golden_accuracy();
  const Estimator with{.control = cell.control, .golden_accuracy = golden};
  const Estimator without{.control = 0, .golden_accuracy = golden};
  constexpr int64_t kTrial = 1234;  // one map, many samples of images
  std::vector<double> sharp;
  std::vector<double> plain;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    sharp.push_back(with.value(world.row(kTrial, 40, seed)));
    plain.push_back(without.value(world.row(kTrial, 40, seed)));
  }
  const Summary sharp_summary = summarize(sharp);
  const Interval interval =
      student_interval(sharp_summary.mean, sharp_summary.sd, sharp_summary.count, 0.999);
  EXPECT_TRUE(interval.contains(world.accuracy(kTrial)))
      << sharp_summary.mean << " against " << world.accuracy(kTrial);
  EXPECT_LT(sharp_summary.sd, 0.9 * summarize(plain).sd);
}

TEST(Pilot, FullImagesNeedNoControl) {
  const World world(200);
  const Estimator estimator{.control = 0.7, .golden_accuracy = world.golden_accuracy()};
  EXPECT_EQ(estimator.value(world.row(5, 200, 1)), world.accuracy(5));
}

TEST(Pilot, ChoosesFewImagesWhereMapsDifferAndAllWhereTheyDoNot) {
  const PilotCell maps_differ{.mean = 0.8, .between_sd = 0.05, .within_sd = 0.2, .control = 1};
  const PilotCell images_differ{.mean = 0.8, .between_sd = 0, .within_sd = 0.3, .control = 1};
  const int64_t few = choose_images({maps_differ}, 10'000, 0.005, 1000);
  const int64_t many = choose_images({images_differ}, 10'000, 0.005, 1000);
  EXPECT_LT(few, 500);
  EXPECT_GT(many, few);
  EXPECT_LE(many, 10'000);
  const int64_t trials = maps_differ.trials_for(0.005, few, 10'000, 1000);
  EXPECT_LT(trials * few, maps_differ.trials_for(0.005, 10'000, 10'000, 1000) * 10'000 / 20);
}

TEST(Pilot, ForecastsTheCheckpointWhereStudentsIntervalIsNarrowEnough) {
  for (const double sd : {1e-4, 0.0109, 0.011, 0.0168, 0.02, 0.025, 0.03, 0.05, 0.2}) {
    int64_t expected = next_checkpoint(0);
    while (expected < 1000 && student_interval(0, sd, expected).half_width() > 0.005) {
      expected = std::min<int64_t>(next_checkpoint(expected), 1000);
    }
    const PilotCell cell{.between_sd = sd, .within_sd = 0};
    EXPECT_EQ(cell.trials_for(0.005, 10'000, 10'000, 1000), expected) << sd;
  }
}

TEST(Pilot, SurvivesItsJson) {
  const Pilot pilot{
      .trials = 8,
      .images = 500,
      .images_per_trial = 123,
      .cells = {
          {.mean = 0.1, .between_sd = 1.0 / 3, .within_sd = 0.2, .control = 0.9},
          {.mean = 0.7,
           .between_sd = 0.01,
           .within_sd = 0.02,
           .control = 0,
           .strata = {{.name = "fc bit 7", .bits = 80, .weight = 0.2, .sd = 0.3, .trials = 40},
                      {.name = "fc bit 6", .bits = 90, .weight = 0.1, .sd = 0.1, .trials = 2}},
           .untouched = 0.6,
           .untouched_faults = 1.5}}};
  const Pilot back = Pilot::from_json(pilot.to_json());
  EXPECT_EQ(back.trials, 8);
  EXPECT_EQ(back.images, 500);
  EXPECT_EQ(back.images_per_trial, 123);
  ASSERT_EQ(back.cells.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const PilotCell& a = pilot.cells[i];
    const PilotCell& b = back.cells[i];
    EXPECT_EQ(
        std::tie(a.mean, a.between_sd, a.within_sd, a.control, a.untouched, a.untouched_faults),
        std::tie(b.mean, b.between_sd, b.within_sd, b.control, b.untouched, b.untouched_faults));
    EXPECT_EQ(a.strata, b.strata);
  }
}

TEST(ImageSubset, IsASampleWithoutRepeatsThatGrowsByWholeImages) {
  for (int64_t trial = 0; trial < 20; ++trial) {
    const auto small = image_subset(3, trial, 50, 10);
    const auto large = image_subset(3, trial, 50, 30);
    EXPECT_EQ(std::set(small.begin(), small.end()).size(), 10U);
    EXPECT_TRUE(std::includes(large.begin(), large.end(), small.begin(), small.end()));
  }
  EXPECT_NE(image_subset(3, 0, 50, 10), image_subset(3, 1, 50, 10));
  EXPECT_EQ(image_subset(3, 0, 5, 5), (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace flatenn::campaign
