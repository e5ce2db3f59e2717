#include "flatenn/store/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/store/worker.h"
#include "store/database.h"
#include "store/store_test_support.h"

namespace flatenn::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Access = Store::Access;

class Merge : public ::testing::Test {
 protected:
  /// A file with one run of plan "a" that recorded these trials of its first cell.
  Store part(const std::string& name, const std::vector<TrialRow>& trials) const {
    Store store = Store::open(folder_ / name, Access::kWrite);
    const int64_t plan = add_small_plan(store, "a");
    std::vector<TrialKey> keys;
    for (const TrialRow& trial : trials) keys.push_back({trial.cell, trial.trial});
    Worker worker(store, {.plan = plan, .engine = name, .threads = 3});
    worker.claim(keys, std::ssize(keys));
    worker.record(trials);
    // A run is known by its process and start; these are of one process, in one second.
    store.database().execute("UPDATE workers SET started = '" + name + "'");
    return store;
  }
  std::vector<std::string> runs() const {
    std::vector<std::string> engines;
    Query rows = out_.database().query("SELECT engine FROM workers ORDER BY id");
    while (rows.next()) engines.push_back(rows.text());
    return engines;
  }
  int64_t trials() const { return out_.trial_count(out_.find_plan("a").value().id); }

  TemporaryFolder folder_;
  Store out_ = Store::open(folder_ / "out.db", Access::kWrite);
};

TEST_F(Merge, AddsWhatIsNewAndKnowsTheRest) {
  const Store one = part("one", {small_trial(0, 0), small_trial(0, 1)});
  const Store two = part("two", {small_trial(0, 1), small_trial(0, 2), small_trial(1, 0)});
  MergeCounts counts = merge_plan(one, "a", out_);
  EXPECT_EQ(counts.added, 2);
  EXPECT_EQ(counts.known, 0);
  counts = merge_plan(two, "a", out_);
  EXPECT_EQ(counts.added, 2);
  EXPECT_EQ(counts.known, 1);
  EXPECT_EQ(trials(), 4);
  counts = merge_plan(two, "a", out_);
  EXPECT_EQ(counts.added, 0);
  EXPECT_EQ(counts.known, 3);
  EXPECT_EQ(trials(), 4);
}

TEST_F(Merge, KeepsEveryRunOnceWithWhatItDidLast) {
  const Store one = part("one", {small_trial(0, 0)});
  const Store two = part("two", {small_trial(0, 1)});
  for (int again = 0; again < 2; ++again) {
    merge_plan(one, "a", out_);
    merge_plan(two, "a", out_);
    EXPECT_THAT(runs(), ::testing::ElementsAre("one", "two"));
  }
  one.database().execute("UPDATE workers SET trials = 17, ending = 'stopped'");
  merge_plan(one, "a", out_);
  Query row = out_.database().query("SELECT trials, ending FROM workers WHERE engine = 'one'");
  ASSERT_TRUE(row.next());
  EXPECT_EQ(row.integer(), 17);
  EXPECT_EQ(row.text(), "stopped");
  EXPECT_FALSE(row.next());
}

TEST_F(Merge, RefusesATrialThatDiffersInAnyNumberAndAddsNothing) {
  merge_plan(part("one", {small_trial(0, 0)}), "a", out_);
  const std::pair<const char*, int64_t TrialRow::*> counts[] = {
      {"images", &TrialRow::images},
      {"correct", &TrialRow::correct},
      {"golden_correct", &TrialRow::golden_correct},
      {"identical", &TrialRow::identical},
      {"masked", &TrialRow::masked},
      {"sdc1_right", &TrialRow::sdc1_right},
      {"sdc1_wrong", &TrialRow::sdc1_wrong},
      {"drawn", &TrialRow::drawn},
      {"landed", &TrialRow::landed}};
  for (const auto& [name, member] : counts) {
    TrialRow other = small_trial(0, 0);
    ++(other.*member);
    const Store two = part(std::string("two-") + name, {small_trial(0, 9), other});
    EXPECT_THAT(error_of([&] { merge_plan(two, "a", out_); }),
                AllOf(HasSubstr("trial 0 of cell 0"), HasSubstr(std::string(": ") + name + " ")));
    EXPECT_EQ(trials(), 1);
  }
  TrialRow other = small_trial(0, 0);
  other.loss = 0.25;
  EXPECT_THAT(error_of([&] { merge_plan(part("loss", {other}), "a", out_); }),
              HasSubstr(": loss 0.25 and 0.1"));
}

TEST_F(Merge, RefusesAnotherFaultFreePass) {
  const GoldenRow golden{
      .model = "m1", .dataset = "d1", .correct = 3, .loss = 0.5, .predictions = {0, 1, 2, 3}};
  const auto with = [&](const std::string& name, const GoldenRow& row) {
    Store store = part(name, {});
    store.add_golden(row);
    return store;
  };
  merge_plan(with("one", golden), "a", out_);
  merge_plan(with("same", golden), "a", out_);
  GoldenRow correct = golden;
  correct.correct = 2;
  GoldenRow loss = golden;
  loss.loss = 0.75;
  GoldenRow predictions = golden;
  predictions.predictions[3] = 4;
  for (const GoldenRow& other : {correct, loss, predictions}) {
    const Store two = with("other", other);
    EXPECT_THAT(error_of([&] { merge_plan(two, "a", out_); }),
                HasSubstr("the fault-free pass of network m1 differs"));
    std::filesystem::remove(folder_ / "other");
  }
}

}  // namespace
}  // namespace flatenn::store
