#include "flatenn/net/fixed_point.h"

#include <gtest/gtest.h>

#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::net {
namespace {

/// 0.75 = 0.75 * 2^0, 3 = 0.75 * 2^2, worked out by hand.
TEST(FixedPoint, HoldsFractionAndExponent) {
  EXPECT_EQ(fixed_point(0.75), (FixedPoint{.multiplier = 3 << 29, .shift = 0}));
  EXPECT_EQ(fixed_point(3), (FixedPoint{.multiplier = 3 << 29, .shift = 2}));
  EXPECT_EQ(fixed_point(0.1875), (FixedPoint{.multiplier = 3 << 29, .shift = -2}));
  EXPECT_EQ(fixed_point(1), (FixedPoint{.multiplier = 1 << 30, .shift = 1}));
}

TEST(FixedPoint, IsWithinHalfAUnitOfTheLastBit) {
  for (double real = 1e-9; real < 1e6; real *= 1.37) {
    const FixedPoint factor = fixed_point(real);
    EXPECT_GE(factor.multiplier, 1 << 30);
    EXPECT_LE(std::abs(factor.value() - real), std::ldexp(0.5, factor.shift - 31));
  }
}

TEST(FixedPoint, EndsAtItsLimits) {
  EXPECT_EQ(fixed_point(0), FixedPoint{});
  EXPECT_EQ(fixed_point(1e-30), FixedPoint{});
  EXPECT_EQ(fixed_point(1e30), (FixedPoint{.multiplier = INT32_MAX, .shift = 30}));
  EXPECT_EQ(fixed_point(std::nextafter(1.0, 0.0)), fixed_point(1));
  EXPECT_THROW(fixed_point(-1), Error);
  EXPECT_THROW(fixed_point(INFINITY), Error);
  EXPECT_THROW(fixed_point(NAN), Error);
}

TEST(Multiply, RoundsHalvesAwayFromZeroAtTheShift) {
  const FixedPoint quarter = fixed_point(0.25);
  EXPECT_EQ(multiply(2, quarter), 1);
  EXPECT_EQ(multiply(-2, quarter), -1);
  EXPECT_EQ(multiply(1, quarter), 1);  // 0.5 becomes 1, and 1 / 2 again 1
  EXPECT_EQ(multiply(7, quarter), 2);
  EXPECT_EQ(multiply(-7, quarter), -2);
}

/// 0.75 / 4 of 13 is 2.4375, but 9.75 rounds to 10 and 10 / 4 to 3.
TEST(Multiply, RoundsTwice) {
  EXPECT_EQ(multiply(13, fixed_point(0.1875)), 3);
  EXPECT_EQ(multiply(-13, fixed_point(0.1875)), -3);
}

/// 2.4375 is 2; -2.5 goes up to -2.
TEST(MultiplyOnce, RoundsHalvesUp) {
  EXPECT_EQ(multiply_once(13, fixed_point(0.1875)), 2);
  EXPECT_EQ(multiply_once(-13, fixed_point(0.1875)), -2);
  EXPECT_EQ(multiply_once(-10, fixed_point(0.25)), -2);
  EXPECT_EQ(multiply_once(10, fixed_point(0.25)), 3);
  EXPECT_EQ(multiply_once(5, fixed_point(8)), 40);
  EXPECT_EQ(multiply_once(INT32_MAX, fixed_point(1e9)), INT32_MAX);
  EXPECT_EQ(multiply_once(INT32_MIN, {.multiplier = INT32_MAX, .shift = 30}), INT32_MIN);
}

/// The first rounding goes up at halves: -1 * 0.5 is -0.5, which becomes 0.
TEST(Multiply, RoundsHalvesUpAtTheProduct) {
  EXPECT_EQ(multiply(-1, fixed_point(0.5)), 0);
  EXPECT_EQ(multiply(1, fixed_point(0.5)), 1);
}

TEST(Multiply, StaysWithinInt32) {
  const FixedPoint large = fixed_point(1e9);
  EXPECT_EQ(multiply(INT32_MAX, large), multiply(int64_t{1} << 40, large));
  EXPECT_GT(multiply(INT32_MAX, large), 1 << 29);
  EXPECT_LT(multiply(INT32_MIN, large), -(1 << 29));
  EXPECT_EQ(multiply(INT32_MIN, fixed_point(1)), INT32_MIN / 2);  // 1 is 0.5 * 2
}

TEST(RoundedMean, RoundsHalvesAwayFromZero) {
  EXPECT_EQ(rounded_mean(5, 2), 3);
  EXPECT_EQ(rounded_mean(-5, 2), -3);
  EXPECT_EQ(rounded_mean(4, 3), 1);
  EXPECT_EQ(rounded_mean(-4, 3), -1);
  EXPECT_EQ(rounded_mean(0, 7), 0);
}

}  // namespace
}  // namespace flatenn::net
