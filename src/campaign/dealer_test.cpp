#include "campaign/dealer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <set>

namespace flatenn::campaign {
namespace {

using store::TrialKey;

/// Workers that sleep, a rank 0 whose every message and stored row takes time, and messages that
/// travel: all in virtual time, so that one run is like any other.
struct Simulation {
  int64_t workers = 2000;
  int64_t trials = 0;
  std::function<double(int64_t)> seconds_a_trial = [](int64_t) { return 0.1; };  ///< Of a worker.
  double message_seconds = 20e-6;  ///< Of rank 0, receiving or sending one.
  double row_seconds = 10e-6;      ///< Of rank 0, storing one.
  double travel_seconds = 100e-6;
  int64_t lost_worker = -1;  ///< Never answers.

  double end = 0;
  std::map<int64_t, int64_t> done;  ///< By trial: how often it came back.

  /// Seconds of work over seconds of all workers.
  double run() {
    struct Event {
      double at;
      int64_t worker;
      int64_t batch;
      double seconds;
      std::vector<TrialKey> keys;
      bool operator<(const Event& other) const { return at > other.at; }
    };
    Dealer dealer(workers, {});
    std::priority_queue<Event> arriving;
    std::vector<double> free_at(static_cast<size_t>(workers), 0);
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> jitter(0.8, 1.2);
    for (int64_t worker = 0; worker < workers; ++worker) dealer.join(worker);
    double now = 0;
    double work = 0;
    int64_t offered = 0;
    while (std::ssize(done) < trials) {
      std::vector<TrialKey> more;
      for (int64_t n = dealer.wanted(); n > 0 && offered < trials; --n)
        more.push_back({.cell = 0, .trial = offered++});
      dealer.offer(more);
      while (auto hand = dealer.deal(now, trials - std::ssize(done))) {
        now += message_seconds;
        double& free = free_at[static_cast<size_t>(hand->worker)];
        double seconds = 0;
        for (size_t i = 0; i < hand->keys.size(); ++i)
          seconds += seconds_a_trial(hand->worker) * jitter(random);
        if (hand->worker == lost_worker) continue;
        free = std::max(free, now + travel_seconds) + seconds;
        arriving.push({free + travel_seconds, hand->worker, hand->batch, seconds, hand->keys});
      }
      if (arriving.empty()) {
        now += 0.1;
        continue;
      }
      const Event event = arriving.top();
      if (dealer.wanted() == 0 || offered == trials || event.at <= now) {
        now = std::max(now, event.at);
        arriving.pop();
        now += message_seconds + row_seconds * static_cast<double>(event.keys.size());
        dealer.returned(event.batch, event.worker, event.seconds, now);
        for (const TrialKey& key : event.keys) ++done[key.trial];
        work += event.seconds;
      }
    }
    end = now;
    return work / (now * static_cast<double>(workers));
  }
};

/// What docs/scaling.md claims.
TEST(Dealer, KeepsTwoThousandWorkersBusy) {
  Simulation simulation{.trials = 1'000'000};
  EXPECT_GE(simulation.run(), 0.95);
  for (const auto& [trial, times] : simulation.done) ASSERT_EQ(times, 1) << trial;
}

TEST(Dealer, GivesWorkersOfAnySpeedTheirPart) {
  Simulation simulation{.workers = 64, .trials = 40'000, .seconds_a_trial = [](int64_t worker) {
                          return worker % 4 == 0 ? 0.01 : 0.1;  // a quarter is ten times as fast
                        }};
  EXPECT_GE(simulation.run(), 0.95);
}

/// A rank 0 that is too slow shows in the simulation, so the tests above can fail.
TEST(Dealer, CannotHideARankZeroThatIsTooSlow) {
  Simulation simulation{.workers = 2000, .trials = 100'000, .row_seconds = 100e-6};
  EXPECT_LT(simulation.run(), 0.6);
}

TEST(Dealer, DealsWhatASilentWorkerHoldsToAnother) {
  Simulation simulation{.workers = 8, .trials = 2000, .lost_worker = 3};
  simulation.run();
  EXPECT_EQ(std::ssize(simulation.done), 2000);
}

std::vector<TrialKey> keys_of(int64_t cell, int64_t count) {
  std::vector<TrialKey> keys;
  for (int64_t trial = 0; trial < count; ++trial) keys.push_back({.cell = cell, .trial = trial});
  return keys;
}

TEST(Dealer, DealsAgainWhatAWorkerLeft) {
  Dealer dealer(2, {.seconds_a_trial = 0.1});
  dealer.join(0);
  dealer.offer(keys_of(0, 5));
  std::set<int64_t> seen;
  while (const auto hand = dealer.deal(0, 5)) EXPECT_EQ(hand->worker, 0);
  dealer.leave(0);
  EXPECT_FALSE(dealer.deal(1, 5));
  dealer.join(1);
  while (const auto hand = dealer.deal(2, 5)) {
    for (const TrialKey& key : hand->keys) EXPECT_TRUE(seen.insert(key.trial).second);
    dealer.returned(hand->batch, 1, 0.1, 2);
  }
  EXPECT_EQ(seen.size(), 5);
  EXPECT_EQ(dealer.outstanding(), 0);
}

TEST(Dealer, WantsThreeRoundsOfWorkAndEightTrialsAWorkerAtLeast) {
  Dealer dealer(3, {.batch_seconds = 2, .seconds_a_trial = 0.1});
  EXPECT_EQ(dealer.wanted(), 0) << "nobody is there";
  dealer.join(0);
  dealer.join(1);
  EXPECT_EQ(dealer.wanted(), 3 * 2 * 10 * 2);
  dealer.offer(keys_of(0, 50));
  EXPECT_EQ(dealer.wanted(), 3 * 2 * 10 * 2 - 50);
  const auto hand = dealer.deal(0, 1000).value();
  EXPECT_EQ(hand.keys.size(), 20U) << "a batch of two seconds";
  dealer.returned(hand.batch, hand.worker, 0.5, 0.5);  // 40 trials a second
  EXPECT_EQ(dealer.wanted(), 3 * 2 * 40 * 2 - 30) << "the other one counts as fast as it";

  Dealer unknown(2, {});
  unknown.join(0);
  unknown.join(1);
  EXPECT_EQ(unknown.wanted(), 16);
}

TEST(Dealer, PutsTrialsOfOneModelIntoABatch) {
  Dealer dealer(1, {.seconds_a_trial = 0.01, .models = {0, 0, 1}});
  dealer.join(0);
  for (const int64_t cell : {0, 1, 2}) dealer.offer(keys_of(cell, 3));
  std::vector<int64_t> cells;
  while (const auto hand = dealer.deal(0, 1000)) {
    bool second = false;
    for (const TrialKey& key : hand->keys) {
      second = second || key.cell == 2;
      EXPECT_EQ(key.cell == 2, second);
      cells.push_back(key.cell);
    }
    EXPECT_EQ(hand->keys.front().cell == 2, second);
    dealer.returned(hand->batch, 0, 0.01, 0);
  }
  EXPECT_EQ(cells.size(), 9);
}

TEST(Dealer, LeavesWorkersWithoutTrialsAlone) {
  Dealer dealer(8, {});
  for (int64_t worker = 0; worker < 8; ++worker) dealer.join(worker);
  dealer.offer(keys_of(0, 3));
  int64_t dealt = 0;
  while (const auto hand = dealer.deal(0, 3)) dealt += std::ssize(hand->keys);
  EXPECT_EQ(dealt, 3);
}

}  // namespace
}  // namespace flatenn::campaign
