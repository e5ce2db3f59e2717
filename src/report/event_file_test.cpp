#include "report/event_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/temporary_folder.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

TEST(EventFile, CrcIsThatOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // the check value of CRC catalogues
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(EventFile, HoldsRecordsAsTensorBoardReadsThem) {
  const std::string file = event_file({{"a", 300, 0.5f}});
  // The first record: 24 bytes, wall time 0, then the version.
  EXPECT_EQ(file.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(file.substr(12, 9), std::string("\x09\0\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(file.substr(21, 15),
            "\x1a\x0d"
            "brain.Event:2");
  // wall_time 300.0, step 300 = ac 02, summary{value{tag "a", simple_value 0.5}}
  const std::string event = file.substr(40 + 12);
  EXPECT_EQ(event.substr(0, 9), std::string("\x09\0\0\0\0\0\xc0\x72\x40", 9));
  EXPECT_EQ(event.substr(9, 3), "\x10\xac\x02");
  EXPECT_EQ(event.substr(12, 12), std::string("\x2a\x0a\x0a\x08\x0a\x01"
                                              "a\x15\0\0\0\x3f",
                                              12));
  EXPECT_EQ(event.size(), 24u + 4u);
}

TEST(EventFile, EveryNetworkGetsOneWithAName) {
  const TemporaryFolder folder;
  Findings findings = testing::test_findings();
  findings.plans[0].models[1].name = findings.plans[0].models[0].name;
  const int64_t files = write_event_files(findings, folder.path());
  EXPECT_EQ(files, static_cast<int64_t>(findings.plans[0].models.size() + findings.runs.size()));
  int64_t found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    found += entry.path().filename().string().starts_with("events.out.tfevents.") ? 1 : 0;
  EXPECT_EQ(found, files);
}

}  // namespace
}  // namespace flatenn::report
