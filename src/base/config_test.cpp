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

TEST(Config, PrintsEnoughDigitsToTellAValueFromItsLimit) {
  Config config = Config::from_string("rate = 1.0000001\n", "a.toml");
  EXPECT_EQ(message_of([&] {
              config.get_double("rate", 0.1, DoubleRange{0, 1});
            }),
            "a.toml:1: rate: must be in [0, 1], got 1.0000001");
}

TEST(Config, RefusesANulInANameAndTellsTheWholeLine) {
  Config config = Config::from_string("name = \"a\\u0000b\"\nmodels = [\"c\\u0000d\"]\n", "a.toml");
  EXPECT_EQ(message_of([&] { config.get_string("name", ""); }),
            "a.toml:1: name: holds a NUL character: 'a\\x00b'");
  EXPECT_EQ(message_of([&] { config.get_strings("models", {}); }),
            "a.toml:2: models: holds a NUL character: 'c\\x00d'");
}

TEST(Config, RefusesANumberThatWouldReadAsZero) {
  EXPECT_EQ(message_of([] {
              Config::from_string("name = \"a\"\n[b]\nc = [0.0, '\u00e9', 0e9, -1_0.0e-4_00]\n",
                                  "a.toml");
            }),
            "a.toml:3: -1_0.0e-4_00 is too small for a number; write 0 where 0 is meant");
  EXPECT_EQ(message_of([] { Config::from_string("\xef\xbb\xbfrate = 1e-400", "a.toml"); }),
            "a.toml:1: 1e-400 is too small for a number; write 0 where 0 is meant");
  Config config = Config::from_string("", "command line");
  EXPECT_EQ(message_of([&] { config.set("rates=[1e-3, 1e-400]"); }),
            "command line: rates: 1e-400 is too small for a number; write 0 where 0 is meant");
  config.set("rates=[0, 0.0, 1e-320]");
  EXPECT_EQ(config.get_doubles("rates", {}).size(), 3U);
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

TEST(NearestName, KnowsInitialsAndBeginnings) {
  const std::vector<std::string> keys = {"optimizer.base", "optimizer.learning_rate",
                                         "optimizer.momentum", "train.epochs"};
  EXPECT_EQ(nearest_name("optimizer.lr", keys), "optimizer.learning_rate");
  EXPECT_EQ(nearest_name("optimizer.learn", keys), "optimizer.learning_rate");
  EXPECT_EQ(nearest_name("train.epoch", keys), "train.epochs");
  EXPECT_EQ(nearest_name("optimizer.bsae", keys), "optimizer.base");
}

TEST(Config, BlamesTheCommandLineForWhatItSet) {
  Config config = Config::from_string("a = 1\n", "file.toml");
  config.set("optimizer.lr=1");
  config.get_int("a", 0, {});
  config.get_double("optimizer.learning_rate", 0, DoubleRange{0, 1});
  try {
    config.check_all_read();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "command line: unknown key 'optimizer.lr'; did you mean 'optimizer.learning_rate'?");
  }
}

}  // namespace
}  // namespace flatenn
