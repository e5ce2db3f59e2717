#include "flatenn/study/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "flatenn/base/error.h"

namespace flatenn::study {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Mean accuracy of (recipe, activation, seed) at the one rate of the made-up plan.
using Means = std::map<std::tuple<std::string, std::string, int64_t>, double>;

campaign::PlanResult plan_of(const Means& means) {
  campaign::PlanResult plan{.name = "all layers", .kinds = {"bit_flip"}};
  plan.levels = {{.rate = 0.01, .label = "0.01"}};
  for (const auto& [key, mean] : means) {
    const auto& [recipe, activation, seed] = key;
    campaign::CellResult cell{.model = static_cast<int64_t>(plan.models.size())};
    for (const double wobble : {-0.01, 0.0, 0.01}) cell.accuracies.push_back(mean + wobble);
    cell.accuracy = campaign::summarize(cell.accuracies);
    plan.models.push_back({.name = recipe + "-" + activation + "-seed" + std::to_string(seed),
                           .metadata = {{"recipe", recipe},
                                        {"activation", activation},
                                        {"seed", std::to_string(seed)}},
                           .golden_accuracy = activation == "sparse" ? 0.89 : 0.90});
    plan.cells.push_back(std::move(cell));
  }
  return plan;
}

Definition definition_of(int64_t min_seeds) {
  Definition definition{.name = "made-up", .min_seeds = min_seeds};
  definition.claims.kinds = {"bit_flip"};
  definition.claims.rates = {0.01};
  return definition;
}

/// SAQ keeps `gain` more than sgd on standard networks, with small differences between seeds.
Means with_gain(const std::vector<double>& gains) {
  Means means;
  for (size_t i = 0; i < gains.size(); ++i) {
    const auto seed = static_cast<int64_t>(i) + 1;
    const double base = 0.6 + 0.001 * static_cast<double>(seed);
    means[{"sgd", "standard", seed}] = base;
    means[{"saq", "standard", seed}] = base + gains[i];
  }
  return means;
}

/// What another call on the same folder finds while campaigns are under way.
TEST(Claims, CanBeReadBackHoweverFewMapsThereAre) {
  for (const size_t maps : {0UL, 1UL, 2UL, 3UL}) {
    for (const int64_t seeds : {1, 2, 3}) {
      campaign::PlanResult plan =
          plan_of(with_gain(std::vector<double>(static_cast<size_t>(seeds), 0.02)));
      for (campaign::CellResult& cell : plan.cells) {
        cell.accuracies.resize(maps);
        cell.accuracy = campaign::summarize(cell.accuracies);
      }
      const auto claims = judge_claims(plan, definition_of(3), {});
      const std::string text = report::claims_to_json(claims).dump();
      const auto read = report::claims_from_json(nlohmann::json::parse(text));
      EXPECT_EQ(report::claims_to_json(read).dump(), text) << maps;
      EXPECT_EQ(read.size(), maps == 0 ? 0U : 1U);
      if (maps == 1) {
        EXPECT_FALSE(read.at(0).networks);
      }
    }
  }
}

report::Claim only_claim(const Means& means, int64_t min_seeds) {
  const auto claims = judge_claims(plan_of(means), definition_of(min_seeds), {});
  EXPECT_EQ(claims.size(), 1u);
  return claims.at(0);
}

TEST(Claims, AreConfirmedByEnoughSeedsOfOneSign) {
  const report::Claim claim = only_claim(with_gain({0.10, 0.11, 0.12, 0.10, 0.11}), 5);
  EXPECT_EQ(claim.verdict, "confirmed");
  EXPECT_EQ(claim.seeds, 5);
  EXPECT_NEAR(claim.difference, 0.108, 1e-12);
  ASSERT_TRUE(claim.method.has_value());
  // Student t of {10, 11, 12, 10, 11} points: mean 10.8, sd 0.83666, t(0.975, 4) = 2.776445.
  EXPECT_NEAR(claim.method->low, 0.108 - 2.776445 * 0.0083666 / std::sqrt(5.0), 1e-7);
}

TEST(Claims, AreRefutedByEnoughSeedsOfTheOtherSign) {
  EXPECT_EQ(only_claim(with_gain({-0.10, -0.11, -0.12}), 3).verdict, "refuted");
}

TEST(Claims, StayUndecidedWithTooFewSeeds) {
  const report::Claim claim = only_claim(with_gain({0.10, 0.11, 0.12, 0.10}), 5);
  EXPECT_EQ(claim.verdict, "undecided");
  EXPECT_EQ(claim.reason, "4 seeds, 5 needed");
}

TEST(Claims, HaveNoIntervalOfTheMethodFromOneSeed) {
  const report::Claim claim = only_claim(with_gain({0.10}), 3);
  EXPECT_TRUE(claim.networks.has_value());
  EXPECT_FALSE(claim.method.has_value());
  EXPECT_FALSE(claim.p_value.has_value());
}

TEST(Claims, StayUndecidedWhereSignsDiffer) {
  EXPECT_EQ(only_claim(with_gain({0.10, 0.11, -0.01}), 3).reason, "signs differ between seeds");
}

TEST(Claims, StayUndecidedWhereTheIntervalHoldsZero) {
  EXPECT_EQ(only_claim(with_gain({0.30, 0.01, 0.02}), 3).reason, "the interval over seeds holds 0");
}

TEST(Claims, AnswerToHolmsCorrectionOverAllOfThem) {
  // p is about 0.025 alone; as the least of this plan's four it counts four times.
  Means means = with_gain({0.020, 0.021, 0.012});
  for (int64_t seed = 1; seed <= 3; ++seed) {
    const double noise = 0.01 * static_cast<double>(seed - 2);
    means[{"sgd", "sparse", seed}] = 0.6 + noise;
    means[{"saq", "sparse", seed}] = 0.6 - noise;
  }
  const auto claims = judge_claims(plan_of(means), definition_of(3), {});
  for (const report::Claim& claim : claims) {
    if (claim.id != "saq-gains-standard") continue;
    EXPECT_LT(*claim.p_value, 0.05);
    EXPECT_GT(*claim.holm_p_value, *claim.p_value);
    EXPECT_EQ(claim.reason, "not significant after Holm's correction");
    return;
  }
  FAIL() << "the claim is missing";
}

TEST(Claims, CompareLossesAgainstEachNetworksOwnGolden) {
  Means means;
  for (int64_t seed = 1; seed <= 3; ++seed) {
    means[{"sgd", "standard", seed}] = 0.70;  // lost 20 points
    means[{"sgd", "sparse", seed}] = 0.66;    // lost 23 points
  }
  EXPECT_NEAR(only_claim(means, 3).difference, 0.03, 1e-12);
}

TEST(Claims, StayUndecidedWhereSparsitiesDiffer) {
  Means means;
  SparsityByModel sparsity;
  for (int64_t seed = 1; seed <= 3; ++seed) {
    means[{"sgd", "sparse", seed}] = 0.5 + 0.001 * static_cast<double>(seed);
    means[{"saq", "sparse", seed}] = 0.7;
    sparsity["sgd-sparse-seed" + std::to_string(seed)] = 0.85;
    sparsity["saq-sparse-seed" + std::to_string(seed)] = 0.80;
  }
  const auto claims = judge_claims(plan_of(means), definition_of(3), sparsity);
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].reason, "sparsity differs by 5.0 points");
  sparsity.clear();
  EXPECT_EQ(judge_claims(plan_of(means), definition_of(3), sparsity)[0].verdict, "confirmed");
}

TEST(ClaimsText, ShowsBothIntervalsAndTheVerdict) {
  const auto claims = judge_claims(plan_of(with_gain({0.10, 0.11, 0.12})), definition_of(3), {});
  const std::string text = claims_text(claims);
  EXPECT_THAT(text, HasSubstr("saq/standard - sgd/standard"));
  EXPECT_THAT(text, HasSubstr("+11.00"));
  EXPECT_THAT(text, HasSubstr("confirmed"));
  EXPECT_THAT(text, HasSubstr("published up to 24.76 %"));
}

}  // namespace
}  // namespace flatenn::study
