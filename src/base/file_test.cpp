#include "flatenn/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

TEST(WriteFileAtomically, ReplacesTheContentAndLeavesNothingElse) {
  const auto folder = std::filesystem::temp_directory_path() / "flatenn_file_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "a", "old");
  write_file_atomically(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST(WriteFileAtomically, ReportsAFullDisk) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  EXPECT_THROW(write_file_atomically("/dev/full/x", "content"), Error);
  EXPECT_THROW(write_file_atomically("/no/such/folder/x", "content"), Error);
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
