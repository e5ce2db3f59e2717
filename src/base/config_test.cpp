#include "flatenn/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "flatenn/base/error.h"

namespace flatenn {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Config, ReadsValuesAndDefaults) {
  Config config = Config::from_string("seed = 3\n[quant]\nweight_bits = 4\nclip = 1\n", "a.toml");
  EXPECT_EQ(config.get_int("seed", 0), 3);
  EXPECT_EQ(config.get_int("quant.weight_bits", 8), 4);
  EXPECT_EQ(config.get_double("quant.clip", 0.5), 1.0);
  EXPECT_EQ(config.get_string("name", "none"), "none");
  config.check_all_read();
  EXPECT_EQ(config.resolved().dump(),
            R"({"name":"none","quant":{"clip":1.0,"weight_bits":4},"seed":3})");
}

TEST(Config, NamesAnUnknownKeyWithLineAndNearestKey) {
  Config config = Config::from_string("seed = 3\n[quant]\nwieght_bits = 4\n", "a.toml");
  config.get_int("seed", 0);
  config.get_int("quant.weight_bits", 4);
  EXPECT_EQ(message_of([&] { config.check_all_read(); }),
            "a.toml:3: unknown key 'quant.wieght_bits'; did you mean 'quant.weight_bits'?");
}

TEST(Config, LooksForUnknownKeysInSomeTablesAlone) {
  Config config = Config::from_string("trials = 3\n[faults]\nraet = 0.1\n", "a.toml");
  config.get_double("faults.rate", 0);
  config.check_all_read({"memory"});
  EXPECT_EQ(message_of([&] {
              config.check_all_read({"memory", "faults"});
            }),
            "a.toml:3: unknown key 'faults.raet'; did you mean 'faults.rate'?");
}

TEST(Config, NamesPlaceRangeAndTypeOfABadValue) {
  Config config = Config::from_string("bits = 9\nrate = \"x\"\nkind = \"flip\"\n", "a.toml");
  EXPECT_EQ(message_of([&] {
              config.get_int("bits", 4, {2, 8});
            }),
            "a.toml:1: bits: must be in [2, 8], got 9");
  EXPECT_EQ(message_of([&] { config.get_double("rate", 0.1); }),
            "a.toml:2: rate: expected a number, got a string");
  EXPECT_EQ(message_of([&] {
              config.get_choice("kind", "a", {"a", "b"});
            }),
            "a.toml:3: kind: must be one of a, b, got 'flip'");
}

TEST(Config, NamesTheLineOfBrokenToml) {
  EXPECT_THAT(message_of([] { Config::from_string("a = 1\nb = = 2\n", "a.toml"); }),
              testing::StartsWith("a.toml:2: not valid TOML"));
}

TEST(Config, SetOverridesTheFileAndMakesTables) {
  Config config = Config::from_string("[train]\nepochs = 15\n", "a.toml");
  config.set("train.epochs=2");
  config.set("optimizer.name=saq");
  config.set("rates=[0.1, 0.2]");
  EXPECT_EQ(config.get_int("train.epochs", 0), 2);
  EXPECT_EQ(config.get_string("optimizer.name", ""), "saq");
  EXPECT_EQ(config.get_doubles("rates", {}), (std::vector<double>{0.1, 0.2}));
  EXPECT_THROW(config.set("no equals sign"), Error);
}

TEST(Config, ForgetsARemovedKey) {
  Config config = Config::from_string("rates = [0.1]\n", "a.toml");
  config.remove("rates");
  config.remove("absent");
  EXPECT_FALSE(config.has("rates"));
  config.check_all_read();
}

TEST(Config, ListsChildrenInFileOrder) {
  Config config = Config::from_string(
      "[layers.fc3]\nbits=8\n[layers.conv1]\nbits=8\n[[f]]\nk=1\n[[f]]\nk=2\n", "a");
  EXPECT_EQ(config.child_names("layers"), (std::vector<std::string>{"fc3", "conv1"}));
  EXPECT_EQ(config.child_names("f"), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(config.get_int("f.1.k", 0), 2);
  EXPECT_TRUE(config.child_names("absent").empty());
}

}  // namespace
}  // namespace flatenn
