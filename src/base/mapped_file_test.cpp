#include "flatenn/base/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/mappable_vector.h"

namespace flatenn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of_opening(const std::filesystem::path& path) {
  try {
    MappedFile::open(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The bytes 1, 2, 3, 4 in a mapped file.
MappableVector<uint8_t> mapped_bytes(const TemporaryFolder& folder) {
  std::ofstream(folder / "bytes", std::ios::binary) << "\x01\x02\x03\x04";
  const auto file = MappedFile::open(folder / "bytes");
  return {file, reinterpret_cast<const uint8_t*>(file->data()), file->size()};
}

TEST(MappedFile, NamesWhatCannotBeMapped) {
  const TemporaryFolder folder;
  std::ofstream(folder / "empty").flush();
  EXPECT_THAT(error_of_opening(folder / "none"), HasSubstr("none: cannot be opened: No such file"));
  EXPECT_THAT(error_of_opening(folder / "empty"), HasSubstr("empty: is empty"));
  EXPECT_THAT(error_of_opening(folder.path()), HasSubstr("is not a file"));
}

TEST(MappedFile, ScratchIsZeroCanBeWrittenAndLeavesNothing) {
  const TemporaryFolder folder;
  {
    const auto scratch = MappedFile::scratch(folder.path(), 10000);
    EXPECT_EQ(scratch->data()[9999], std::byte{0});
    scratch->data()[9999] = std::byte{7};
    EXPECT_EQ(std::as_const(*scratch).data()[9999], std::byte{7});
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(MappedFile, ScratchTellsWhereThereIsNoRoom) {
  const TemporaryFolder folder;
  try {
    MappedFile::scratch(folder.path(), size_t{1} << 60);
    ADD_FAILURE() << "an exbibyte was found";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(folder.path().string() + ": no room for a file of"));
  }
}

TEST(MappableVector, CopiesShareTheFileUntilOneIsChanged) {
  const TemporaryFolder folder;
  const MappableVector<uint8_t> mapped = mapped_bytes(folder);
  MappableVector<uint8_t> copy = mapped;
  EXPECT_EQ(copy.file(), mapped.file());
  copy[1] = 9;
  EXPECT_FALSE(copy.is_mapped());
  EXPECT_THAT(copy, ElementsAre(1, 9, 3, 4));
  EXPECT_THAT(mapped, ElementsAre(1, 2, 3, 4));
}

TEST(MappableVector, StaysMappedWhereItGetsShorterAndMovesWhereItGrows) {
  const TemporaryFolder folder;
  MappableVector<uint8_t> bytes = mapped_bytes(folder);
  bytes.resize(2);
  EXPECT_TRUE(bytes.is_mapped() && bytes.in_file());
  EXPECT_THAT(bytes, ElementsAre(1, 2));
  bytes.push_back(5);
  EXPECT_FALSE(bytes.is_mapped());
  EXPECT_THAT(bytes, ElementsAre(1, 2, 5));
}

TEST(MappableVector, SharesBorrowedNumbersAndKeepsTheirOwner) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3});
  const std::weak_ptr<std::vector<float>> seen = owner;
  const float* const data = owner->data();
  auto borrowed = MappableVector<float>::borrowed(std::move(owner), data, 3);
  EXPECT_TRUE(borrowed.is_mapped());
  EXPECT_FALSE(borrowed.in_file());
  const MappableVector<float> copy = borrowed;
  borrowed.clear();
  EXPECT_EQ(copy.data(), data);
  borrowed = copy;
  borrowed[0] = 9;
  EXPECT_THAT(copy, ElementsAre(1, 2, 3));
  EXPECT_THAT(borrowed, ElementsAre(9, 2, 3));
  EXPECT_FALSE(seen.expired());
}

TEST(MappedFile, RefusesWhatIsNoFileAtOnce) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const std::filesystem::path& path :
       {folder / "pipe", folder / "", std::filesystem::path("/dev/zero")}) {
    EXPECT_EQ(error_of_opening(path), path.string() + ": is not a file");
  }
}

TEST(MappableVector, BehavesAsAVectorInMemory) {
  MappableVector<int8_t> numbers{1, 2};
  const std::vector<int8_t> more{3, 4};
  numbers.insert(numbers.end(), more.begin(), more.end());
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4));
  EXPECT_THROW(numbers.at(4), std::out_of_range);
  numbers.clear();
  EXPECT_TRUE(numbers.empty());
}

}  // namespace
}  // namespace flatenn
