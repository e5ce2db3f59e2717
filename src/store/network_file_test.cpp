#include "store/network_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "flatenn/store/worker.h"
#include "store/database.h"
#include "store/store_test_support.h"

namespace flatenn::store {
namespace {

using ::testing::HasSubstr;
using Access = Store::Access;

/// A folder that counts as one on a network file system.
class NetworkFile : public ::testing::Test {
 protected:
  NetworkFile() { name_folders(folder_.path().string()); }
  ~NetworkFile() override { ::unsetenv("FLATENN_NETWORK_FOLDERS"); }
  static void name_folders(const std::string& list) {
    ::setenv("FLATENN_NETWORK_FOLDERS", list.c_str(), 1);
  }
  std::filesystem::path file() const { return folder_ / "r.db"; }
  std::filesystem::path mark() const { return folder_ / "r.db.owner"; }
  void write_mark(const std::string& text) const { std::ofstream(mark()) << text << "\n"; }
  /// Makes it look older than a living process leaves it.
  void age_mark() const {
    struct stat now {};
    ASSERT_EQ(::stat(mark().c_str(), &now), 0);
    timespec old = now.st_mtim;
    old.tv_sec -= static_cast<time_t>(Worker::kLeaseSeconds) + 5;
    const timespec times[] = {old, old};
    ASSERT_EQ(::utimensat(AT_FDCWD, mark().c_str(), times, 0), 0);
  }
  bool has_log() const { return std::filesystem::exists(folder_ / "r.db-wal"); }

  TemporaryFolder folder_;
};

TEST_F(NetworkFile, IsOneBelowAFolderThatTheUserNames) {
  name_folders("/nowhere:" + folder_.path().string() + "/");
  EXPECT_TRUE(network_file_system(file()));
  EXPECT_TRUE(network_file_system(folder_ / "sub" / "r.db"));
  name_folders(folder_.path().string() + "x:");
  EXPECT_FALSE(network_file_system(file()));
  EXPECT_FALSE(network_file_system("/proc/r.db"));
}

TEST_F(NetworkFile, IsWrittenWithoutALog) {
  {
    Store store = Store::open(file(), Access::kWrite);
    const int64_t plan = add_small_plan(store, "a");
    Worker worker(store, {.plan = plan, .engine = "reference", .threads = 1});
    const std::vector<TrialKey> keys = {{0, 0}, {0, 1}};
    EXPECT_EQ(worker.claim(keys, 2).size(), 2U);
    worker.record(std::vector{small_trial(0, 0), small_trial(0, 1)});
    EXPECT_FALSE(has_log());
    EXPECT_TRUE(std::filesystem::exists(mark()));
    EXPECT_EQ(Store::open(file(), Access::kRead).trial_count(plan), 2) << "others look on";
  }
  EXPECT_FALSE(std::filesystem::exists(mark()));
}

TEST_F(NetworkFile, LosesTheLogThatItHadElsewhere) {
  name_folders("");
  {
    Store store = Store::open(file(), Access::kWrite);
    add_small_plan(store, "a");
    EXPECT_TRUE(has_log());
  }
  name_folders(folder_.path().string());
  Store store = Store::open(file(), Access::kWrite);
  EXPECT_FALSE(has_log());
  EXPECT_TRUE(store.find_plan("a"));
  add_small_plan(store, "b");
  EXPECT_FALSE(has_log());
  EXPECT_EQ(Store::open(file(), Access::kRead).plans().size(), 2U);
}

TEST_F(NetworkFile, HasOneWriterAtATime) {
  const auto open = [&] { Store::open(file(), Access::kWrite); };
  {
    const Store first = Store::open(file(), Access::kWrite);
    EXPECT_THAT(error_of(open), HasSubstr("is in use by process " + std::to_string(::getpid())));
    EXPECT_THAT(error_of(open), HasSubstr("--share"));
  }
  open();
}

TEST_F(NetworkFile, IsTakenOverFromAKilledProcess) {
  const pid_t child = ::fork();
  if (child == 0) {
    const Store store = Store::open(file(), Access::kWrite);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(std::filesystem::exists(mark()));
  Store::open(file(), Access::kWrite);
  EXPECT_FALSE(std::filesystem::exists(mark()));
}

/// What a full disk or another program leaves of a mark.
TEST_F(NetworkFile, WhoseMarkNamesNobodySaysSoAndIsTakenOverOnceItIsOld) {
  for (const std::string text : {"", "garbage"}) {
    write_mark(text);
    EXPECT_THAT(error_of([&] { Store::open(file(), Access::kWrite); }),
                HasSubstr("r.db.owner says that the file is in use, but not by which process"));
    age_mark();
    Store::open(file(), Access::kWrite);
    EXPECT_FALSE(std::filesystem::exists(mark()));
  }
}

TEST_F(NetworkFile, OfAnotherMachineIsTakenOverOnceItsMarkIsOld) {
  write_mark("1 node7/boot/pid:[1]");
  EXPECT_THAT(error_of([&] { Store::open(file(), Access::kWrite); }),
              HasSubstr("is in use by process 1 on node7"));
  age_mark();
  Store::open(file(), Access::kWrite);
  EXPECT_FALSE(std::filesystem::exists(mark()));
}

}  // namespace
}  // namespace flatenn::store
