#include "flatenn/analysis/hardware.h"

#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

Hardware parse(const std::string& toml) {
  Config config = Config::from_string(toml, "hw.toml");
  return read_hardware(config);
}

std::string message_of(const std::string& toml) {
  try {
    parse(toml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Hardware, ReadsWhatTheFileSaysAndKeepsDefaults) {
  const Hardware hardware = parse(
      "name = \"a\"\nkind = \"zero_skipping\"\nlanes = 4\n"
      "[activation]\ncoding = \"run_length\"\n[energy]\nadc_pj = 3\n");
  EXPECT_EQ(hardware.name, "a");
  EXPECT_EQ(hardware.kind, HardwareKind::kZeroSkipping);
  EXPECT_EQ(hardware.lanes, 4);
  EXPECT_EQ(hardware.coding, ActivationCoding::kRunLength);
  EXPECT_EQ(hardware.energy.adc_pj, 3);
  EXPECT_EQ(hardware.energy.add_32bit_pj, Hardware{}.energy.add_32bit_pj);
}

TEST(Hardware, RefusesBadFilesInOneLine) {
  EXPECT_EQ(message_of("lanes = 0\n"), "hw.toml:1: lanes: must be in [1, 1048576], got 0");
  EXPECT_EQ(message_of("[energy]\nadc_pj = -1\n"),
            "hw.toml:2: energy.adc_pj: must be in [0, 1e+12], got -1");
  EXPECT_EQ(message_of("lnaes = 4\n"), "hw.toml:1: unknown key 'lnaes'; did you mean 'lanes'?");
  EXPECT_EQ(message_of("kind = \"sparse\"\n"),
            "hw.toml:1: kind: must be one of dense, zero_skipping, in_memory, got 'sparse'");
}

TEST(Hardware, BringsItsDescriptionsByName) {
  for (const std::string& name : shipped_hardware_names())
    EXPECT_EQ(to_string(find_hardware(name).kind), name);
  EXPECT_THROW(find_hardware("none.toml"), Error);
}

}  // namespace
}  // namespace flatenn::analysis
