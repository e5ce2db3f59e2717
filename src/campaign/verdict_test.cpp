#include "flatenn/campaign/verdict.h"

#include <gtest/gtest.h>

#include <array>

namespace flatenn::campaign {
namespace {

Verdict verdict_of(std::vector<double> differences, int64_t least_seeds = 3) {
  const Claim claim{.name = "claim", .seed_differences = std::move(differences)};
  return judge({&claim, 1}, least_seeds).at(0).verdict;
}

TEST(Verdict, NeedsSeedsOfOneSignAndAnIntervalWithoutZero) {
  EXPECT_EQ(verdict_of({0.05, 0.06, 0.055}), Verdict::kConfirmed);
  EXPECT_EQ(verdict_of({-0.05, -0.06, -0.055}), Verdict::kRefuted);
  EXPECT_EQ(verdict_of({0.05, 0.06}), Verdict::kUndecided) << "two seeds";
  EXPECT_EQ(verdict_of({0.05, 0.06, 0.055}, 5), Verdict::kUndecided) << "LeNet-5 wants five";
  EXPECT_EQ(verdict_of({0.01, 0.2, 0.05}), Verdict::kUndecided) << "the interval holds 0";
  EXPECT_EQ(verdict_of({0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, -0.001}),
            Verdict::kUndecided)
      << "one seed of the other sign";
  EXPECT_EQ(verdict_of({}), Verdict::kUndecided);
}

TEST(Verdict, CountsTheClaimsThatAreJudgedTogether) {
  const Claim barely{.name = "barely", .seed_differences = {0.03, 0.05, 0.05}};
  ASSERT_EQ(judge({&barely, 1}).at(0).verdict, Verdict::kConfirmed);
  const std::array claims = {barely, barely,
                             Claim{.name = "null", .seed_differences = {0.1, -0.1}}};
  EXPECT_EQ(judge(claims).at(0).verdict, Verdict::kUndecided);
  EXPECT_EQ(judge(claims).at(0).holm_p_value, 3 * judge(claims).at(0).p_value);
}

}  // namespace
}  // namespace flatenn::campaign
