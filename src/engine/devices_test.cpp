#include "flatenn/engine/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_engine_choice(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(EngineChoices, NameDevices) {
  EXPECT_THAT(parse_engine_choice("cuda").devices, ElementsAre(0));
  EXPECT_THAT(parse_engine_choice("cuda:1").devices, ElementsAre(1));
  EXPECT_THAT(parse_engine_choice("cuda:0-3").devices, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(parse_engine_choice("cuda:2,0").devices, ElementsAre(0, 2));
  EXPECT_THAT(parse_engine_choice("cuda:5,0-1").devices, ElementsAre(0, 1, 5));
  EXPECT_EQ(parse_engine_choice("cuda:0-3").kind, EngineKind::kCuda);
  for (const std::string& name : engine_kind_names()) {
    EXPECT_EQ(parse_engine_choice(name).kind, parse_engine_kind(name));
    EXPECT_THAT(parse_engine_choice(name).devices, ElementsAre(0));
  }
}

TEST(EngineChoices, OfAnotherFormAreRefused) {
  for (const std::string text : {"cuda:", "cuda:a", "cuda:0,", "cuda:-1", "cuda:0-", "cuda:0--1",
                                 "cuda:1.5", "cuda:64", "cuda:0 ", "cuda:99999999999999999999"})
    EXPECT_THAT(refusal(text), HasSubstr("cuda:0-3 or cuda:0,2, got " + text));
  EXPECT_THAT(refusal("cuda:3-1"), HasSubstr("cuda:3-1: GPUs 3-1 run backwards"));
  EXPECT_THAT(refusal("cuda:0-2,1"), HasSubstr("names GPU 1 twice"));
  EXPECT_THAT(refusal("cpu:0"), HasSubstr("got cpu:0"));
}

TEST(EngineChoices, OfOneDeviceMakeOptions) {
  EXPECT_EQ(engine_options("cuda:3", 2).device, 3);
  EXPECT_EQ(engine_options("lanes", 2).threads, 2);
  EXPECT_THROW(engine_options("cuda:0-1", 2), Error);
}

TEST(Devices, AreListedShortly) {
  for (const std::string list : {"0", "0-3", "0,2", "1-2,5", "0,2,4-7"})
    EXPECT_EQ(device_list(parse_engine_choice("cuda:" + list).devices), list);
  EXPECT_EQ(device_list(parse_engine_choice("cuda:0,1,2,7").devices), "0-2,7");
}

TEST(Devices, ThatAreMissingAreNamedWithThoseThere) {
  EXPECT_EQ(missing_devices({0, 1}, 2), "");
  EXPECT_EQ(missing_devices({0, 1, 2, 3}, 1), "this machine has 1 GPU (0)");
  EXPECT_EQ(missing_devices({1}, 0), "this machine has no GPU");
  EXPECT_EQ(missing_devices({0, 4}, 4), "this machine has 4 GPUs (0-3)");
}

}  // namespace
}  // namespace flatenn::engine
