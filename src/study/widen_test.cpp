#include "study/widen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>

namespace flatenn::study {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Widen, GoesBeyondEachEdgeTheBestStandsAt) {
  const std::vector<Tried> tried = {{"optimizer.learning_rate=0.05 sharpness.rho=0.1", 0.5},
                                    {"optimizer.learning_rate=0.1 sharpness.rho=0.1", 0.6},
                                    {"optimizer.learning_rate=0.05 sharpness.rho=0.2", 0.7},
                                    {"optimizer.learning_rate=0.1 sharpness.rho=0.2", 0.8}};
  EXPECT_THAT(keys_at_edge(tried), ElementsAre("optimizer.learning_rate", "sharpness.rho"));
  EXPECT_THAT(propose(tried, 5), ElementsAre("optimizer.learning_rate=0.316 sharpness.rho=0.2",
                                             "optimizer.learning_rate=0.1 sharpness.rho=0.4"));
  EXPECT_THAT(propose(tried, 1), ElementsAre("optimizer.learning_rate=0.316 sharpness.rho=0.2"));
}

TEST(Widen, TriesBetweenNeighboursOnceTheBestStandsInside) {
  const std::vector<Tried> tried = {
      {"sharpness.rho=0.1", 0.5}, {"sharpness.rho=0.2", 0.8}, {"sharpness.rho=0.8", 0.6}};
  EXPECT_THAT(keys_at_edge(tried), IsEmpty());
  EXPECT_THAT(propose(tried, 3), ElementsAre("sharpness.rho=0.4"));
}

TEST(Widen, ADivergedCandidateClosesAnEdgeAndIsNeverTheBest) {
  const std::vector<Tried> tried = {
      {"sharpness.rho=0.1", 0.0}, {"sharpness.rho=0.2", 0.1}, {"sharpness.rho=0.4", 0.9, true}};
  EXPECT_EQ(best_of(tried)->setting, "sharpness.rho=0.2");
  EXPECT_THAT(keys_at_edge(tried), IsEmpty());
  EXPECT_EQ(best_of({{"sharpness.rho=0.4", 0.9, true}}), nullptr);
  EXPECT_THAT(propose({{"sharpness.rho=0.4", 0.9, true}}, 3), IsEmpty());
}

TEST(Widen, LeavesKeysAloneThatHaveNoScaleOneValueOrAnEnd) {
  EXPECT_THAT(propose({{"train.ema=0.9", 0.5}, {"train.ema=0.99", 0.6}}, 3), IsEmpty());
  EXPECT_THAT(propose({{"sharpness.rho=0.1", 0.5}}, 3), IsEmpty());
  EXPECT_THAT(keys_at_edge({{"randbet.rate=0.1", 0.5}, {"randbet.rate=0.5", 0.6}}), IsEmpty());
}

/// Wherever the summit of a score with one summit lies, a search ends with its best inside, beside
/// it.
TEST(Widen, FindsASummitFarFromWhereItBegan) {
  for (const double summit : {1e-4, 3e-3, 0.07, 1.0, 40.0}) {
    const auto tried_one = [&](const std::string& setting) {
      const double value = std::atof(setting.substr(setting.find('=') + 1).c_str());
      return Tried{setting, -std::abs(std::log(value / summit))};
    };
    std::vector<Tried> tried = {tried_one("optimizer.learning_rate=0.05"),
                                tried_one("optimizer.learning_rate=0.1")};
    while (tried.size() < 14) {
      const std::vector<std::string> next = propose(tried, 14 - static_cast<int64_t>(tried.size()));
      if (next.empty()) break;
      for (const std::string& setting : next) tried.push_back(tried_one(setting));
    }
    EXPECT_THAT(keys_at_edge(tried), IsEmpty()) << summit;
    EXPECT_GT(best_of(tried)->score, -std::log(1.8)) << summit;
  }
}

}  // namespace
}  // namespace flatenn::study
