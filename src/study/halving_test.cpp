#include "study/halving.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>

namespace flatenn::study {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A search as the tuning runs it, over candidates whose score at some epochs `score` knows.
struct Search {
  int64_t epochs = 0;  ///< Spent on all candidates.
  std::vector<int64_t> sizes;
  std::string best;
};

template <typename Score>
Search search(const Halving& plan, int64_t candidates, int64_t epochs, const Score& score) {
  std::vector<std::string> open;
  for (int64_t i = 0; i < candidates; ++i) open.push_back("x=" + std::to_string(i));
  Search done;
  int64_t before = 0;
  for (int64_t rung = 0; rung < plan.rungs; ++rung) {
    const int64_t now = plan.epochs_at(rung, epochs);
    std::vector<Tried> tried;
    for (const std::string& setting : open)
      tried.push_back({setting, score(std::stoll(setting.substr(2)), now)});
    done.epochs += static_cast<int64_t>(open.size()) * (now - before);
    done.sizes.push_back(static_cast<int64_t>(open.size()));
    before = now;
    done.best = best_of(tried)->setting;
    std::vector<std::string> next;
    for (const size_t i : survivors(tried, plan.factor)) next.push_back(open[i]);
    open = next;
  }
  return done;
}

TEST(Halving, FollowsTheRungsOfTheHyperbandPaper) {
  // Table 1 there: R = 81, eta = 3, the bracket s = 4.
  const Halving plan = plan_halving(3, 81, 81, 1);
  ASSERT_EQ(plan.rungs, 5);
  const Search done = search(plan, 81, 81, [](int64_t i, int64_t) { return 1.0 / double(1 + i); });
  EXPECT_THAT(done.sizes, ElementsAre(81, 27, 9, 3, 1));
  std::vector<int64_t> epochs;
  for (int64_t rung = 0; rung < plan.rungs; ++rung) epochs.push_back(plan.epochs_at(rung, 81));
  EXPECT_THAT(epochs, ElementsAre(1, 3, 9, 27, 81));
}

TEST(Halving, CostsNoMoreThanItsBoundAndLessThanTryingAllToTheEnd) {
  for (const int64_t factor : {2, 3, 4, 7}) {
    for (const int64_t candidates : {1, 2, 5, 12, 40}) {
      for (const int64_t epochs : {1, 2, 9, 15, 100}) {
        for (const int64_t least : {1, 3}) {
          const Halving plan = plan_halving(factor, candidates, epochs, least);
          const Search done = search(plan, candidates, epochs,
                                     [](int64_t i, int64_t) { return double(i * 31 % 17); });
          const std::string place = std::to_string(factor) + " " + std::to_string(candidates) +
                                    " " + std::to_string(epochs) + " " + std::to_string(least);
          // Rung i costs at most the candidates of the first one, each with its first epochs,
          // but for rounding, which adds at most half an epoch a candidate and rung.
          const double first = double(epochs) / std::pow(double(factor), double(plan.rungs - 1));
          EXPECT_LE(double(done.epochs), double(plan.rungs) * double(candidates) * (first + 0.5))
              << place;
          EXPECT_LE(done.epochs, candidates * epochs) << place;
          EXPECT_EQ(plan.epochs_at(plan.rungs - 1, epochs), epochs) << place;
          for (int64_t rung = 1; rung < plan.rungs; ++rung)
            EXPECT_GT(plan.epochs_at(rung, epochs), plan.epochs_at(rung - 1, epochs)) << place;
          if (plan.rungs > 1) {
            EXPECT_GE(plan.epochs_at(0, epochs), least) << place;
          }
          EXPECT_GE(done.sizes.back(), 1) << place;
        }
      }
    }
  }
}

TEST(Halving, TheBestSurvivesWhereScoresKeepTheirOrder) {
  for (const int64_t factor : {2, 3, 5}) {
    for (int64_t best = 0; best < 20; ++best) {
      const Halving plan = plan_halving(factor, 20, 60, 1);
      const Search done = search(plan, 20, 60, [&](int64_t i, int64_t epochs) {
        return -double(std::abs(i - best)) + double(epochs);
      });
      EXPECT_EQ(done.best, "x=" + std::to_string(best));
    }
  }
}

TEST(Halving, KeepsTheEarlierOfEqualsAndNoneThatDiverged) {
  const std::vector<Tried> tried = {{"a", 0.9, true}, {"b", 0.5}, {"c", 0.7}, {"d", 0.7}};
  EXPECT_THAT(survivors(tried, 2), ElementsAre(2u, 3u));
  EXPECT_THAT(survivors(tried, 3), ElementsAre(2u));
  EXPECT_THAT(survivors(tried, 9), ElementsAre(2u));
  EXPECT_THAT(survivors({{"a", 0, true}}, 2), IsEmpty());
}

TEST(Halving, OneRungWhereItIsOffOrHasNoRoom) {
  EXPECT_EQ(plan_halving(0, 12, 15, 1).rungs, 1);
  EXPECT_EQ(plan_halving(3, 2, 15, 1).rungs, 1);
  EXPECT_EQ(plan_halving(3, 12, 2, 2).rungs, 1);
  EXPECT_EQ(plan_halving(3, 12, 15, 6).rungs, 1);
  EXPECT_EQ(plan_halving(3, 12, 15, 5).rungs, 2);
}

}  // namespace
}  // namespace flatenn::study
