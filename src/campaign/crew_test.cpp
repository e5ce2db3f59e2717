#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <mutex>
#include <thread>

#include "campaign/crew_messages.h"
#include "campaign/test_plan.h"
#include "campaign/workload.h"
#include "flatenn/base/file.h"
#include "flatenn/base/version.h"
#include "flatenn/campaign/merge.h"
#include "flatenn/campaign/results.h"
#include "flatenn/campaign/serve.h"

namespace flatenn::campaign {
namespace {

using ::testing::HasSubstr;
using testing::small_network;
using testing::SmallCampaign;

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Ranks that are threads of one process.
class Room {
 public:
  explicit Room(int64_t size) : inboxes_(static_cast<size_t>(size)) {}

  class Seat final : public Transport {
   public:
    Seat(Room& room, int64_t rank) : room_(room), rank_(rank) {}
    int64_t rank() const override { return rank_; }
    int64_t size() const override { return std::ssize(room_.inboxes_); }
    int64_t local_rank() const override { return rank_; }
    int64_t local_size() const override { return size(); }
    void broadcast(std::string&) override {}
    void send(int64_t to, std::string bytes) override {
      const std::lock_guard lock(room_.mutex_);
      if (is_silent && bytes.front() == 'R') return;
      room_.inboxes_[static_cast<size_t>(to)].push_back({.rank = rank_, .bytes = std::move(bytes)});
    }
    std::optional<Message> receive() override {
      const std::lock_guard lock(room_.mutex_);
      auto& inbox = room_.inboxes_[static_cast<size_t>(rank_)];
      if (inbox.empty()) return std::nullopt;
      Message message = std::move(inbox.front());
      inbox.pop_front();
      return message;
    }
    void abandon() override { is_abandoned = true; }
    bool is_abandoned = false;
    bool is_silent = false;  ///< Its rows get lost.

   private:
    Room& room_;
    int64_t rank_;
  };

 private:
  std::mutex mutex_;
  std::vector<std::deque<Transport::Message>> inboxes_;
};

const std::string kPlan =
    "kinds = [\"bit_flip\", \"stuck_at_1\"]\nrates = [0.002, 0.02]\ntrials = 37\nseed = 11\n";

class Crews : public ::testing::Test {
 protected:
  using Prepare = std::function<ServedPlan(int64_t rank)>;

  CampaignReport run(const Plan& plan, const std::string& db, int64_t ranks,
                     const Prepare& prepare) {
    Room room(ranks);
    std::vector<std::thread> others;
    for (int64_t rank = 1; rank < ranks; ++rank) {
      others.emplace_back([&room, &prepare, rank, silent = rank == silent_] {
        Room::Seat seat(room, rank);
        seat.is_silent = silent;
        serve_campaign(seat, [&] { return prepare(rank); });
      });
    }
    Room::Seat seat(room, 0);
    CampaignOptions options = small_.options();
    options.transport = &seat;
    std::optional<CampaignReport> report;
    std::exception_ptr failure;
    try {
      store::Store store = small_.open(db);
      Observer quiet;
      report = run_campaign(plan, store, options, quiet);
    } catch (...) {
      failure = std::current_exception();
    }
    dismiss_ranks(seat);
    for (std::thread& other : others) other.join();
    if (failure) std::rethrow_exception(failure);
    return *report;
  }
  CampaignReport run(const Plan& plan, const std::string& db, int64_t ranks) {
    return run(plan, db, ranks,
               [&](int64_t) { return ServedPlan{.plan = plan, .options = small_.options()}; });
  }
  std::string table(const std::string& db) const {
    return to_csv(load_results(small_.folder() / db));
  }

  SmallCampaign small_{60};
  int64_t silent_ = -1;
};

TEST_F(Crews, GiveTheTableOfOneProcess) {
  for (const std::string& more : {std::string(), std::string("half_width = 0.02\n"),
                                  std::string("images = \"auto\"\nhalf_width = 0.02\n"),
                                  std::string("time_limit = 10000\n"),  // models in turn
                                  std::string("estimator = \"stratified\"\n")}) {
    const Plan plan =
        small_.plan(kPlan + "name = \"p" + std::to_string(more.size()) + "\"\n" + more);
    const std::string name = std::to_string(more.size());
    small_.run(plan, "whole" + name + ".db");
    for (const int64_t ranks : {2, 4}) {
      const std::string db = "crew" + name + "-" + std::to_string(ranks) + ".db";
      EXPECT_EQ(run(plan, db, ranks).ending, Ending::kDone);
      EXPECT_EQ(table("whole" + name + ".db"), table(db)) << more << ranks;
    }
  }
}

/// Every rank is a run of its own in the file, beside rank 0's.
TEST_F(Crews, LeaveARunForEachRank) {
  const Plan plan = small_.plan(kPlan);
  const CampaignReport report = run(plan, "crew.db", 3, [&](int64_t rank) {
    FLATENN_CHECK(rank != 2, "has no data");
    ServedPlan served{.plan = plan, .options = small_.options()};
    served.options.engine.threads = 2;
    return served;
  });
  const store::Store store = small_.open("crew.db");
  const auto runs = store.runs(report.plan);
  ASSERT_EQ(runs.size(), 2U) << "what takes no part is no run";
  EXPECT_THAT(runs[0].engine, HasSubstr(", rank 0 of 3"));
  EXPECT_THAT(runs[1].engine, HasSubstr(", rank 1 of 3"));
  EXPECT_EQ(runs[1].threads, 2);
  EXPECT_EQ(runs[1].version, version());
  EXPECT_EQ(runs[0].trials, report.parts.at(0).trials);
  EXPECT_EQ(runs[1].trials, report.parts.at(1).trials);
  for (const store::RunRow& each : runs) EXPECT_EQ(each.end, "done");
}

TEST_F(Crews, ThatRunSharesGiveTheTableOfOneProcess) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  std::vector<std::filesystem::path> parts;
  for (const int64_t index : {2, 1}) {
    const std::string part = "part-" + std::to_string(index) + ".db";
    small_.options().share = Share{index, 2};
    run(plan, part, 3);
    parts.push_back(small_.folder() / part);
  }
  merge_shares(parts, small_.folder() / "joined.db", [](const MergedPart&) {});
  EXPECT_EQ(table("whole.db"), table("joined.db"));
}

TEST_F(Crews, SearchAsOneProcessDoes) {
  const Plan plan = small_.plan("find_tolerable = 0.05\nwithin = 1.5\ntrials = 40\nseed = 11\n");
  small_.run(plan, "whole.db");
  run(plan, "crew.db", 3);
  EXPECT_EQ(table("whole.db"), table("crew.db"));
}

TEST_F(Crews, OfMoreRanksThanTrialsGiveTheTableOfOneProcess) {
  const Plan plan = small_.plan_of_one("rates = [0.01]\ntrials = 2\n");
  small_.run(plan, "whole.db");
  run(plan, "crew.db", 6);
  EXPECT_EQ(table("whole.db"), table("crew.db"));
}

TEST_F(Crews, GoOnWithoutARankThatHasNoDataOrAnotherPlan) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  const Plan other = small_.plan(kPlan + "biases = true\n");
  run(plan, "crew.db", 4, [&](int64_t rank) -> ServedPlan {
    if (rank == 1) throw Error("mnist: is not there");
    return {.plan = rank == 2 ? other : plan, .options = small_.options()};
  });
  EXPECT_EQ(table("whole.db"), table("crew.db"));
}

TEST_F(Crews, GoOnWithoutARankWhoseRowsGetLost) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  silent_ = 2;
  run(plan, "crew.db", 3);
  EXPECT_EQ(table("whole.db"), table("crew.db"));
}

TEST_F(Crews, RefuseARankThatComputesOtherNumbers) {
  const Plan plan = small_.plan("rates = [0.002, 0.02]\ntrials = 20000\nseed = 11\n");
  try {
    run(plan, "crew.db", 2, [&](int64_t) {
      ServedPlan served{.plan = plan, .options = small_.options()};
      auto images = std::make_shared<data::ImageSet>(*served.options.images);
      images->labels.front() ^= 1U;  // keeps the hash: as a machine that computes wrongly
      served.options.images = images;
      return served;
    });
    ADD_FAILURE() << "nothing was said of the wrong numbers";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank 1 on "));
    EXPECT_THAT(error.what(), HasSubstr("computes wrongly"));
  }
}

TEST_F(Crews, GoOnWhereAnInterruptedRunStopped) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  int64_t asked = 0;
  small_.options().stop_requested = [&] { return ++asked > 1; };  // after the first rows
  EXPECT_EQ(run(plan, "crew.db", 3,
                [&](int64_t) {
                  ServedPlan served{.plan = plan, .options = small_.options()};
                  served.options.stop_requested = nullptr;
                  return served;
                })
                .ending,
            Ending::kInterrupted);
  small_.options().stop_requested = nullptr;
  run(plan, "crew.db", 2);
  EXPECT_EQ(table("whole.db"), table("crew.db"));
}

TEST_F(Crews, EndWhereRankZeroIsGone) {
  const Plan plan = small_.plan(kPlan);
  const ServedPlan served{.plan = plan, .options = small_.options()};
  const std::string pings = simple_message(MessageKind::kPing);
  for (const bool fails : {false, true}) {  // a rank that takes no part waits for its end, too
    Room room(2);
    Room::Seat leader(room, 0);
    leader.send(1, pings);
    Room::Seat seat(room, 1);
    serve_campaign(
        seat,
        [&] {
          if (fails) throw Error("no data");
          return served;
        },
        0.2);
    EXPECT_TRUE(seat.is_abandoned);
  }
}

/// Engines of the CPU stand for devices.
class Devices : public Crews {
 protected:
  CampaignReport run_on(const Plan& plan, const std::string& db, std::vector<int64_t> devices) {
    small_.options().devices = std::move(devices);
    return small_.run(plan, db);
  }
};

TEST_F(Devices, GiveTheTableOfOne) {
  for (const std::string& more : {std::string(), std::string("half_width = 0.02\n"),
                                  std::string("images = \"auto\"\nhalf_width = 0.02\n"),
                                  std::string("estimator = \"stratified\"\n"),
                                  std::string("memory.encoding = \"sign_magnitude\"\n")}) {
    const Plan plan = small_.plan(kPlan + more);
    const std::string name = std::to_string(more.size());
    small_.options().devices.clear();
    small_.run(plan, "whole" + name + ".db");
    for (const std::vector<int64_t>& devices : {std::vector<int64_t>{0, 1}, {1, 2, 5}}) {
      const std::string db = "devices" + name + "-" + std::to_string(devices.size()) + ".db";
      EXPECT_EQ(run_on(plan, db, devices).ending, Ending::kDone);
      EXPECT_EQ(table("whole" + name + ".db"), table(db)) << more << devices.size();
    }
  }
}

TEST_F(Devices, AreNamedWithTheTrialsOfEach) {
  const Plan plan = small_.plan("rates = [0.02]\ntrials = 300\nseed = 3\n");
  const CampaignReport report = run_on(plan, "devices.db", {0, 1, 4});
  EXPECT_THAT(report.engine, HasSubstr(":0-1,4"));
  ASSERT_EQ(report.parts.size(), 3U);
  int64_t trials = 0;
  for (const Part& part : report.parts) trials += part.trials;
  EXPECT_EQ(trials, report.trials);
  const store::Store store = small_.open("devices.db");
  EXPECT_EQ(store.runs(report.plan).back().engine, report.engine);
}

TEST_F(Devices, ComputeBesideRanks) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  small_.options().devices = {0, 1};
  const CampaignReport report = run(plan, "both.db", 3);
  EXPECT_EQ(table("whole.db"), table("both.db"));
  EXPECT_EQ(report.parts.size(), 4U);
}

TEST_F(Devices, RunTrialsTwiceAndGoOnAfterAnInterrupt) {
  const Plan plan = small_.plan(kPlan);
  small_.run(plan, "whole.db");
  int64_t asked = 0;
  small_.options().stop_requested = [&] { return ++asked > 1; };
  EXPECT_EQ(run_on(plan, "devices.db", {0, 1}).ending, Ending::kInterrupted);
  small_.options().stop_requested = nullptr;
  small_.options().verify_share = 1;
  const CampaignReport report = run_on(plan, "devices.db", {0, 1, 2});
  EXPECT_EQ(report.verified, report.trials);
  EXPECT_EQ(table("whole.db"), table("devices.db"));
}

TEST_F(Devices, OfMoreThanTrialsGiveTheTableOfOne) {
  const Plan plan = small_.plan_of_one("rates = [0.01]\ntrials = 2\n");
  small_.run(plan, "whole.db");
  run_on(plan, "devices.db", {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(table("whole.db"), table("devices.db"));
}

TEST_F(Devices, ThatComputeOtherNumbersAreNamed) {
  const Plan plan = small_.plan(kPlan);
  WorkloadOptions options{.engine = small_.options().engine, .images = small_.options().images};
  Workload first(plan, options);
  auto images = std::make_shared<data::ImageSet>(*options.images);
  images->pixels[5] ^= 0x80U;
  options.images = images;
  Workload other(plan, options);
  first.run_goldens();
  other.run_goldens();
  EXPECT_THAT(message_of([&] { other.check_goldens(first); }),
              HasSubstr("differs from that on reference; one of the two computes wrongly"));
  Workload twin(first, options.engine);
  twin.run_goldens();
  twin.check_goldens(first);
}

TEST_F(Devices, ThatAreMissingEndTheRunBeforeItsFirstTrial) {
  const Plan plan = small_.plan(kPlan);
  small_.options().engine.kind = engine::EngineKind::kCuda;
  EXPECT_THAT(message_of([&] { run_on(plan, "devices.db", {0, 40}); }), HasSubstr("engine"));
  EXPECT_TRUE(small_.open("devices.db").plans().empty());
}

TEST(CrewFiles, OfAnotherVersionOrPlanAreRefused) {
  const SmallCampaign small;
  const Plan plan = small.plan(kPlan);
  EXPECT_THAT(message_of([&] { crew_networks({.version = "0.0.9"}, plan); }),
              HasSubstr("rank 0 is 0.0.9; run one version on all machines"));
  EXPECT_THAT(message_of([&] { crew_networks({.version = version(), .models = {"x"}}, plan); }),
              HasSubstr("its plan has 2 models, rank 0's 1"));
}

TEST(CrewFiles, GiveTheNetworksOfTheirPaths) {
  const SmallCampaign small;
  const Plan plan = small.plan(kPlan);
  const std::string first = read_file(plan.models[0]);
  const CrewFiles files{.version = version(), .models = {first, "not a model"}};
  const auto networks = crew_networks(files, plan);  // the second from its path
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(net::content_hash(*networks[i]), net::content_hash(small_network(i + 1)));
}

TEST(CrewMessages, ReadWhatTheyWrote) {
  const RowsMessage rows{.batch = 7,
                         .seconds = 0.25,
                         .verified = 1,
                         .rows = {{.cell = 1, .trial = 2, .images = 3, .loss = 0.1}}};
  const std::string bytes = rows_message(rows);
  const RowsMessage back = read_rows(bytes);
  EXPECT_EQ(back.batch, 7);
  EXPECT_EQ(back.seconds, 0.25);
  EXPECT_EQ(back.rows, rows.rows);
  EXPECT_EQ(read_batch(batch_message(9, {{.cell = 1, .trial = 5}})).keys.front().trial, 5);
}

TEST(CrewMessages, CutShortAreRefused) {
  const std::string bytes = rows_message({.rows = {store::TrialRow{}}});
  for (size_t length = 1; length < bytes.size(); ++length) {
    if (length == 1 + 24) continue;  // no row at all
    EXPECT_THROW(read_rows(bytes.substr(0, length)), Error) << length;
  }
  EXPECT_THROW(kind_of(""), Error);
  EXPECT_THROW(read_json("S{\"a\":"), Error);
}

}  // namespace
}  // namespace flatenn::campaign
