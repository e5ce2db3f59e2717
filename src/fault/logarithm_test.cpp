#include "fault/logarithm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "flatenn/base/random.h"

namespace flatenn::fault {
namespace {

struct Known {
  double u;
  double value;
};

// From 60-digit decimal arithmetic: golden/logarithm.py.
constexpr Known kKnown[] = {
#include "fault/golden/logarithm.inc"
};

constexpr double kBound = 0x1p-52;  // stated in logarithm.h

TEST(NegativeLog, StaysWithinItsBoundOfTheTrueValue) {
  for (const Known& known : kKnown) {
    // The golden value is itself rounded, by up to 2^-53 of it.
    EXPECT_NEAR(negative_log(known.u), known.value, (kBound + 0x1p-53) * known.value) << known.u;
  }
}

TEST(NegativeLog, StaysWithinItsBoundOnRandomArguments) {
  RandomStream random(11, 0, RandomPurpose::kBootstrap);
  for (int i = 0; i < 200000; ++i) {
    const double u = random.open_uniform();
    const long double truth = -std::log(static_cast<long double>(u));
    ASSERT_LE(std::abs(static_cast<long double>(negative_log(u)) - truth), kBound * truth) << u;
  }
}

TEST(NegativeLog, IsAtLeastOneMinusItsArgument) {
  RandomStream random(12, 0, RandomPurpose::kBootstrap);
  for (int i = 0; i < 100000; ++i) {
    const double u = random.open_uniform();
    ASSERT_GE(negative_log(u), (1 - u) * (1 - 0x1p-50)) << u;
  }
}

// The bits themselves: every machine must draw the same maps. Made by this implementation, which
// the tests above hold to the truth.
TEST(NegativeLog, GivesTheSameBitsEverywhere) {
  EXPECT_EQ(negative_log(0.5), 0x1.62e42fefa39efp-1);
  EXPECT_EQ(negative_log(0x1p-53), 0x1.25e4f7b2737fap+5);
  RandomStream random(13, 0, RandomPurpose::kBootstrap);
  uint64_t mixed = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = negative_log(random.open_uniform());
    uint64_t bits = 0;
    static_assert(sizeof(bits) == sizeof(value));
    std::memcpy(&bits, &value, sizeof(bits));
    mixed = mixed * 6364136223846793005U + bits;
  }
  EXPECT_EQ(mixed, 600339683140743983U);
}

}  // namespace
}  // namespace flatenn::fault
