#include "data/zip_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/npy.h"
#include "data/test_files.h"

namespace flatenn::data {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::npy;
using testing::zip_archive;

class ZipFiles : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& content) {
    testing::write_file(folder_ / "it.zip", content);
    return folder_ / "it.zip";
  }
  std::string read(const std::string& archive, const std::string& member) {
    const ZipFile zip(write(archive));
    ZipReader reader(zip, *zip.find(member));
    std::vector<uint8_t> bytes(reader.left());
    reader.read(bytes);
    return {bytes.begin(), bytes.end()};
  }
  std::vector<uint16_t> labels(const std::string& array) {
    const ZipFile zip(write(zip_archive({{"y.npy", array}})));
    ZipReader reader(zip, *zip.find("y.npy"));
    return read_npy_labels("y", read_npy_header("y", reader), reader);
  }
  std::string error_of_labels(const std::string& array) {
    return error_of([&] { labels(array); });
  }

  TemporaryFolder folder_;
};

TEST_F(ZipFiles, GiveMembersStoredAndDeflated) {
  const std::string text(5000, 'a');
  for (const bool deflate : {false, true}) {
    const std::string archive = zip_archive({{"one", "1"}, {"many", text}, {"none", ""}}, deflate);
    EXPECT_EQ(read(archive, "one"), "1");
    EXPECT_EQ(read(archive, "many"), text);
    EXPECT_EQ(read(archive, "none"), "");
  }
}

TEST_F(ZipFiles, AreRefusedWhereverTheyAreCutShort) {
  const std::string archive = zip_archive({{"one", "1"}, {"two", "22222222"}}, true);
  for (size_t length = 0; length < archive.size(); ++length) {
    EXPECT_NE(error_of([&] { read(archive.substr(0, length), "two"); }), "") << length;
  }
}

TEST_F(ZipFiles, NoticeEveryDamagedByteOfTheContent) {
  const std::string content = "some content that is long enough to be packed, packed, packed";
  for (const bool deflate : {false, true}) {
    const std::string archive = zip_archive({{"it", content}}, deflate);
    for (size_t at = 0; at < archive.size(); ++at) {
      std::string damaged = archive;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      std::string got = content;
      error_of([&] {
        const ZipFile zip(write(damaged));
        const ZipMember* const member = zip.find("it");
        if (member == nullptr || member->bytes > 1000) return;
        ZipReader reader(zip, *member);
        std::vector<uint8_t> bytes(reader.left());
        reader.read(bytes);
        got = {bytes.begin(), bytes.end()};
      });
      EXPECT_EQ(got, content) << "byte " << at;
    }
  }
}

TEST_F(ZipFiles, GiveLabelsOfAnyIntegerType) {
  EXPECT_THAT(labels(npy("|u1", "(3,)", "\1\2\3")), ElementsAre(1, 2, 3));
  EXPECT_THAT(labels(npy("<i2", "(2,)", std::string("\1\0\0\1", 4))), ElementsAre(1, 256));
  EXPECT_THAT(labels(npy(">i4", "(1,)", std::string("\0\0\1\2", 4))), ElementsAre(258));
  EXPECT_THAT(labels(npy("<u8", "(1,)", std::string("\7\0\0\0\0\0\0\0", 8))), ElementsAre(7));
}

TEST_F(ZipFiles, RefuseLabelsThatAreNone) {
  EXPECT_THAT(error_of_labels(npy("|i1", "(2,)", "\1\xff")),
              HasSubstr("label of image 1 must be in [0, 65535], got -1"));
  EXPECT_THAT(error_of_labels(npy("<u8", "(1,)", std::string(8, '\xff'))), HasSubstr("got 9223"));
  EXPECT_THAT(error_of_labels(npy("<f4", "(1,)", std::string(4, '\0'))),
              HasSubstr("labels must be integers, one an image; this is float32 [1]"));
}

TEST_F(ZipFiles, RefuseArraysThatAreNoNumbersOrNotWhole) {
  EXPECT_THAT(error_of_labels(npy("|O", "(1,)", "cos\nsystem\n")), HasSubstr("pickle"));
  EXPECT_THAT(error_of_labels(npy("<U3", "(1,)", std::string(12, 'a'))),
              HasSubstr("not an array of numbers: its type is '<U3'"));
  EXPECT_THAT(error_of_labels(npy("|u1", "(3,)", "\1\2")),
              HasSubstr("uint8 [3] takes 3 bytes, 2 are there"));
  EXPECT_THAT(error_of_labels(npy("|u1", "(4000000000, 4000000000)", "1")), HasSubstr("more than"));
  EXPECT_THAT(error_of_labels(npy("|u1", "(-1,)", "1")), HasSubstr("names no type or shape"));
  EXPECT_THAT(error_of_labels("not at all an array"), HasSubstr("not a NumPy array"));
  std::string columns = npy("|u1", "(3,)", "\1\2\3");
  columns.replace(columns.find("False"), 5, "True ");
  EXPECT_THAT(error_of_labels(columns), HasSubstr("column-major"));
}

}  // namespace
}  // namespace flatenn::data
