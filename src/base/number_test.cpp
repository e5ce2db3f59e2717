#include "flatenn/base/number.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "flatenn/base/random.h"

namespace flatenn {
namespace {

TEST(NumberText, IsShortWhereFewDigitsDo) {
  EXPECT_EQ(number_text(0.001), "0.001");
  EXPECT_EQ(number_text(1), "1");
  EXPECT_EQ(number_text(1e-20), "1e-20");
}

TEST(NumberText, TellsNeighboursApart) {
  EXPECT_EQ(number_text(1.0000001), "1.0000001");
  EXPECT_EQ(number_text(1 + 0x1p-52), "1.0000000000000002");
}

TEST(NumberText, ReadsBackAsTheSameNumber) {
  RandomStream random(1, 0, RandomPurpose::kPilot);
  for (int i = 0; i < 10000; ++i) {
    const double value = (random.uniform() - 0.5) * std::pow(10.0, 20 * random.uniform() - 10);
    EXPECT_EQ(std::strtod(number_text(value).c_str(), nullptr), value);
  }
}

TEST(ReadsAsZero, NamesWhatIsTooSmall) {
  for (const char* const text : {"1e-400", "-1e-400", "0.5E-500", "1_0.0_1e-4_00"}) {
    EXPECT_TRUE(reads_as_zero(text)) << text;
  }
  for (const char* const text :
       {"0", "0.0", "-0e5", "0e-400", "4.9e-324", "1e-300", "inf", "nan"}) {
    EXPECT_FALSE(reads_as_zero(text)) << text;
  }
}

}  // namespace
}  // namespace flatenn
