#include "train/maps_ahead.h"

#include <gtest/gtest.h>

#include <atomic>

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

/// A map that tells its step.
WordMasks map_of(int64_t step) { return {.layers = {}, .faults = step}; }

TEST(MapsAhead, AreThoseOfTheStepsAskedFor) {
  for (const int ahead : {0, 1, 5}) {
    MapsAhead maps(map_of, ahead);
    for (const int64_t step : {0, 1, 2, 3, 7, 8, 20, 4, 5}) EXPECT_EQ(maps.take(step).faults, step);
  }
}

TEST(MapsAhead, BeginTheNextStepsAndNoMore) {
  std::atomic<int> begun = 0;
  const auto count = [&](int64_t step) {
    ++begun;
    return map_of(step);
  };
  {
    MapsAhead maps(count, 3);
    for (int64_t step = 0; step < 4; ++step) maps.take(step);
  }
  EXPECT_EQ(begun, 7);
  begun = 0;
  {
    MapsAhead maps(count, 0);
    maps.take(0);
  }
  EXPECT_EQ(begun, 1);
}

TEST(MapsAhead, TellWhatWentWrongAtItsStep) {
  const auto fails_at_2 = [](int64_t step) {
    FLATENN_CHECK(step != 2, "no map");
    return map_of(step);
  };
  for (const int ahead : {0, 4}) {
    MapsAhead maps(fails_at_2, ahead);
    EXPECT_EQ(maps.take(0).faults, 0);
    EXPECT_EQ(maps.take(1).faults, 1);
    EXPECT_THROW(maps.take(2), Error);
    EXPECT_EQ(maps.take(3).faults, 3);
  }
}

}  // namespace
}  // namespace flatenn::train
