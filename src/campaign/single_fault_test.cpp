#include "campaign/single_fault.h"

#include <gtest/gtest.h>

#include <set>

namespace flatenn::campaign {
namespace {

TEST(SampleSize, GivesThePublishedNumbers) {
  // Leveugle et al. (DATE 2009): LeNet-5's 245,880 weight bits, and the limits of large
  // populations.
  EXPECT_EQ(sample_size(245'880, 0.05, 0.95), 384);
  EXPECT_EQ(sample_size(int64_t{1} << 50, 0.05, 0.95), 385);
  EXPECT_EQ(sample_size(int64_t{1} << 50, 0.05, 0.99), 664);
  EXPECT_EQ(sample_size(1, 0.05, 0.95), 1);
  EXPECT_EQ(sample_size(10, 0.05, 0.95), 10);
}

TEST(FaultOrder, DrawsDistinctElementsAndNests) {
  Stratum stratum{.tensor = 2, .name = "fc3", .bit = 1, .population = 1000, .wanted = 300};
  const auto large = fault_order(stratum, 7);
  EXPECT_EQ(std::set(large.begin(), large.end()).size(), 300U);
  stratum.wanted = 100;
  const auto small = fault_order(stratum, 7);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin()));
  EXPECT_NE(small, fault_order(stratum, 8));
  stratum.wanted = stratum.population;
  EXPECT_EQ(fault_order(stratum, 7).size(), 1000U);
}

}  // namespace
}  // namespace flatenn::campaign
