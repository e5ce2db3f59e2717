#include "study/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <set>
#include <vector>

#include "base/temporary_folder.h"
#include "flatenn/base/file.h"
#include "store/process.h"
#include "study/share_out.h"

namespace flatenn::study {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr LeaseTimes kQuick{.beat = std::chrono::milliseconds(20),
                            .patience = std::chrono::milliseconds(200)};

class LeaseTest : public ::testing::Test {
 protected:
  fs::path folder() const { return temporary_.path() / "runs"; }
  /// As another machine would have it: a process that does not live here.
  void hold_from_elsewhere(int64_t generation) {
    fs::create_directories(folder());
    std::ofstream(folder() / (".net.lease-" + std::to_string(generation)))
        << "node7/boot/pid:[1] 4711\n";
  }
  void beat_from_elsewhere(int64_t generation, const std::string& beat) {
    std::ofstream(folder() / (".net.lease-" + std::to_string(generation) + ".beat")) << beat;
  }

  TemporaryFolder temporary_;
};

TEST_F(LeaseTest, IsHeldByOneAtATime) {
  Leases first(kQuick);
  Leases second(kQuick);
  auto held = first.try_take(folder(), "net");
  ASSERT_TRUE(held);
  EXPECT_FALSE(second.try_take(folder(), "net"));
  EXPECT_TRUE(second.try_take(folder(), "other"));
  held.reset();
  for (int round = 0; round < 5; ++round) EXPECT_TRUE(second.try_take(folder(), "net"));
}

TEST_F(LeaseTest, OfALivingHolderIsNotTakenOverHoweverLongItLasts) {
  LeaseTimes times = kQuick;
  times.patience = std::chrono::seconds(3);  // many beats, on a busy machine too
  Leases first(times);
  Leases second(times);
  const auto held = first.try_take(folder(), "net");
  for (int round = 0; round < 40; ++round) {
    EXPECT_FALSE(second.try_take(folder(), "net"));
    std::this_thread::sleep_for(times.patience / 30);
  }
  held->check();
}

TEST_F(LeaseTest, OfAnotherMachineEndsWhenItsCounterStandsStill) {
  hold_from_elsewhere(1);
  Leases leases(kQuick);
  for (int round = 0; round < 20; ++round) {  // whatever its clock says
    beat_from_elsewhere(1, std::to_string(round));
    const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1000 * (round % 2));
    fs::last_write_time(folder() / ".net.lease-1.beat", old);
    EXPECT_FALSE(leases.try_take(folder(), "net"));
    std::this_thread::sleep_for(kQuick.beat);
  }
  std::this_thread::sleep_for(2 * kQuick.patience);
  EXPECT_TRUE(leases.try_take(folder(), "net"));
}

TEST_F(LeaseTest, TakenOverIsLostToASleeper) {
  Leases sleeper({.beat = std::chrono::milliseconds(500)});
  Leases other(kQuick);
  const auto held = sleeper.try_take(folder(), "net");
  held->check();
  std::unique_ptr<Lease> taken;
  while (!taken) {  // between two of its beats
    taken = other.try_take(folder(), "net");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto is_lost = [&] {
    try {
      held->check();
    } catch (const LeaseLost&) {
      return true;
    }
    return false;
  };
  while (!is_lost()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  taken->check();
}

TEST_F(LeaseTest, OfAKilledProcessOfThisMachineIsFreeAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    Leases leases;
    const auto held = leases.try_take(folder(), "net");
    std::ofstream(temporary_.path() / "held") << "yes";
    ::pause();
  }
  while (!fs::exists(temporary_.path() / "held"))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  Leases leases;
  EXPECT_FALSE(leases.try_take(folder(), "net"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(leases.try_take(folder(), "net"));
}

TEST_F(LeaseTest, NotWritableIsNamed) {
  std::ofstream(temporary_.path() / "file") << "";
  try {
    Leases().try_take(temporary_.path() / "file", "net");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("file: cannot be made: "));
  }
}

/// A process that does tasks: each takes a while, and leaves a line and then a mark that it is
/// done.
void do_tasks(const fs::path& folder, int64_t tasks) {
  Leases leases;
  const auto attempt = [&](int64_t task) {
    const std::string name = std::to_string(task);
    const auto lease = leases.try_take(folder, name);
    if (!lease) return Step::kElsewhere;
    if (fs::exists(folder / (name + ".done"))) return Step::kDone;
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    std::ofstream(folder / (name + ".log"), std::ios::app) << ::getpid() << "\n";
    write_file_atomically(folder / (name + ".done"), "");
    return Step::kDone;
  };
  share_out(tasks, attempt, nullptr);
}

TEST_F(LeaseTest, DividesTasksAmongProcessesOfWhichSomeAreKilled) {
  constexpr int64_t kTasks = 60;
  constexpr int kProcesses = 5;
  fs::create_directories(folder());
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(::fork());
    if (children.back() == 0) {
      do_tasks(folder(), kTasks);
      ::_exit(0);
    }
  }
  for (int i = 0; i < 3; ++i) {  // at different points of their tasks
    std::this_thread::sleep_for(std::chrono::milliseconds(37 + 20 * i));
    ::kill(children[static_cast<size_t>(i)], SIGKILL);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  std::set<std::string> workers;
  int64_t twice = 0;
  for (int64_t task = 0; task < kTasks; ++task) {
    std::ifstream lines(folder() / (std::to_string(task) + ".log"));
    int64_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) workers.insert(line);
    EXPECT_GE(count, 1) << task;
    twice += count > 1 ? 1 : 0;
  }
  EXPECT_LE(twice, 3) << "only a task whose process was killed is done again";
  EXPECT_GT(workers.size(), 2U);
}

}  // namespace
}  // namespace flatenn::study
