#include "flatenn/base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/atomic_file.h"
#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/unfinished_files.h"

namespace flatenn {
namespace {

TEST(File, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  const std::string socket = folder / "socket";
  ASSERT_EQ(::mknod(socket.c_str(), S_IFSOCK | 0600, 0), 0);
  const std::string link = folder / "link";
  std::filesystem::create_symlink("/dev/zero", link);
  using Case = std::pair<std::string, std::string>;
  for (const auto& [path, words] : {
           Case{"", "the path of a file is empty"},
           Case{"/dev/zero", "/dev/zero: is a device, not a file"},
           Case{"/dev/null", "/dev/null: is a device, not a file"},
           Case{link, link + ": is a device, not a file"},
           Case{socket, socket + ": is a socket, not a file"},
           Case{folder / "", (folder / "").string() + ": is a folder, not a file"},
       }) {
    try {
      read_file(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), words);
    }
  }
}

TEST(File, ReadsAPipeThatIsWrittenToAndWaitsForNoOther) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string content(300'000, 'x');
  std::thread writer([&] {
    const int descriptor = ::open(pipe.c_str(), O_WRONLY);
    for (size_t at = 0; at < content.size();) {
      at += static_cast<size_t>(::write(descriptor, content.data() + at, content.size() - at));
    }
    ::close(descriptor);
  });
  EXPECT_EQ(read_file(pipe), content);
  writer.join();
  try {
    read_file(pipe);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("pipe: is a pipe, and nobody wrote to it"));
  }
}

TEST(AtomicFile, TakesItsPlaceWholeOrNotAtAll) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    AtomicFile left(folder / "a");
    left.write("new, but never");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  AtomicFile file(folder / "a");
  file.write("one part, ");
  file.write("another");
  EXPECT_EQ(read_file(folder / "a"), "old");
  file.publish();
  EXPECT_EQ(read_file(folder / "a"), "one part, another");
  const auto left = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(left), end(left)), 1);
}

TEST(UnfinishedFiles, AreRemovedWhileNamedAndNotAfterwards) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "a");
  write_file_atomically(folder / "b", "b");
  { const UnfinishedFile done(folder / "a"); }
  const UnfinishedFile open(folder / "b");
  remove_unfinished_files();
  EXPECT_TRUE(std::filesystem::exists(folder / "a"));
  EXPECT_FALSE(std::filesystem::exists(folder / "b"));
}

TEST(ReadFile, ReadsAllOfWhatTellsASizeOrNone) {
  const TemporaryFolder folder;
  for (const size_t size : {0UL, 1UL, 65'535UL, 65'536UL, 65'537UL, 300'000UL}) {
    const std::string content(size, 'a');
    write_file_atomically(folder / "a", content);
    EXPECT_EQ(read_file(folder / "a"), content) << size;
  }
  EXPECT_GT(read_file("/proc/self/maps").size(), 1000U);  // says that it is empty
}

TEST(WriteFileAtomically, ReplacesTheContentAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  write_file_atomically(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(WriteFileAtomically, KeepsSymbolicLinks) {
  const auto folder = std::filesystem::temp_directory_path() / "flatenn_link_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::filesystem::create_symlink("target", folder / "link");
  for (const std::string content : {"made", "replaced"}) {
    write_file_atomically(folder / "link", content);
    EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
    EXPECT_EQ(read_file(folder / "target"), content);
  }
}

TEST(WriteFileAtomically, WritesIntoPipesAndDevicesInsteadOfReplacingThem) {
  const auto pipe = std::filesystem::temp_directory_path() / "flatenn_pipe_test";
  std::filesystem::remove(pipe);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  write_file_atomically(pipe, "content");
  char got[16] = {};
  EXPECT_EQ(::read(reader, got, sizeof got), 7);
  EXPECT_STREQ(got, "content");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  ::close(reader);
  std::filesystem::remove(pipe);
}

TEST(WriteFileAtomically, NamesWhatCannotBeWritten) {
  const auto message = [](const char* path) -> std::string {
    try {
      write_file_atomically(path, "content");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message("/no/such/folder/x"), testing::HasSubstr("/no/such/folder/x: cannot be"));
  EXPECT_THAT(message("/tmp"), testing::HasSubstr("/tmp: is a folder"));
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  EXPECT_THAT(message("/dev/full"), testing::HasSubstr("/dev/full: write failed: No space left"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
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
