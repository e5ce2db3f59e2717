#include "study/judgement.h"

#include <gtest/gtest.h>

namespace flatenn::study {
namespace {

report::Claim judged(std::vector<double> by_seed, double margin = 0) {
  return judge_together(
             {{.claim = {}, .by_seed = std::move(by_seed), .margin = margin, .mismatch = ""}}, 3)
      .at(0);
}

TEST(Judgement, GivesLowerBoundsAMargin) {
  // Each seed costs 1 % more: refuted as a saving, confirmed as "at most 5 % more".
  const std::vector<double> dearer = {-0.010, -0.011, -0.009, -0.010};
  EXPECT_EQ(judged(dearer).verdict, "refuted");
  const report::Claim within = judged(dearer, 0.05);
  EXPECT_EQ(within.verdict, "confirmed");
  EXPECT_NEAR(within.difference, -0.01, 1e-12);
  EXPECT_LT(within.method->high, 0);  // of the difference itself
  EXPECT_EQ(judged({-0.060, -0.061, -0.059}, 0.05).verdict, "refuted");
  EXPECT_EQ(judged({-0.049, -0.052, -0.045}, 0.05).reason, "signs differ between seeds");
}

TEST(Judgement, LeavesWhatDoesNotDifferUndecided) {
  const report::Claim same = judged({0, 0, 0});
  EXPECT_EQ(same.verdict, "undecided");
  EXPECT_EQ(same.reason, "no difference");
  EXPECT_EQ(judged({0, 0, 0}, 0.05).verdict, "confirmed");
}

TEST(Judgement, CorrectsOverAllClaimsGivenTogether) {
  const std::vector<double> clear = {0.010, 0.014, 0.008}, noise = {0.01, -0.02, 0.003};
  const double alone =
      *judge_together({{.claim = {}, .by_seed = clear, .mismatch = ""}}, 3)[0].holm_p_value;
  const auto both = judge_together({{.claim = {}, .by_seed = clear, .mismatch = ""},
                                    {.claim = {}, .by_seed = noise, .mismatch = ""},
                                    {.claim = {}, .by_seed = {}, .mismatch = ""}},
                                   3);
  ASSERT_EQ(both.size(), 2u);  // without a seed there is no claim
  EXPECT_DOUBLE_EQ(*both[0].holm_p_value, 2 * alone);
}

TEST(Judgement, ExpressesDifferencesRelativeToTheMeanCompared) {
  Measured measured{.claim = {}, .by_seed = {1, 3}, .mismatch = ""};
  express_relative(measured, 20);
  EXPECT_EQ(measured.by_seed, (std::vector<double>{0.1, 0.3}));
}

}  // namespace
}  // namespace flatenn::study
