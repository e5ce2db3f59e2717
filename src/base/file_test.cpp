#include "flatenn/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"

namespace flatenn {
namespace {

TEST(WriteFileAtomically, ReplacesTheContentAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  write_file_atomically(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteFileAtomically, ReportsAFullDisk) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  EXPECT_THROW(write_file_atomically("/dev/full/x", "content"), Error);
  EXPECT_THROW(write_file_atomically("/no/such/folder/x", "content"), Error);
}

TEST(RemoveFolder, TakesAllInItAndFollowsNoLink) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "kept", "content");
  std::filesystem::create_directories(folder / "gone/deep/deeper");
  write_file_atomically(folder / "gone/deep/file", "content");
  std::filesystem::create_symlink(folder.path(), folder / "gone/up");
  remove_folder(folder / "gone");
  EXPECT_FALSE(std::filesystem::exists(folder / "gone"));
  EXPECT_EQ(read_file(folder / "kept"), "content");
  remove_folder(folder / "gone");  // which is not there any more
}

TEST(FileLock, IsHeldByOneAtATime) {
  const TemporaryFolder folder;
  FileLock second(folder / "lock");
  {
    FileLock first(folder / "lock");
    EXPECT_TRUE(first.try_lock());
    EXPECT_FALSE(second.try_lock());
  }
  EXPECT_TRUE(second.try_lock());
  EXPECT_THROW(FileLock("/no/such/folder/lock"), Error);
}

TEST(ReadFile, NamesPathAndReason) {
  try {
    read_file("/no/such/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/no/such/file"));
    EXPECT_THAT(error.what(), testing::HasSubstr("No such file"));
  }
  EXPECT_THROW(read_file("/tmp"), Error);
}

}  // namespace
}  // namespace flatenn
