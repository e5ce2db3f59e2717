#include "flatenn/base/utf8.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "flatenn/base/random.h"

namespace flatenn {
namespace {

bool json_holds(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

TEST(Utf8, KnowsTextFromBytes) {
  for (const char* text : {"", "plain", "größe", "面积", "\U0001F600", "\xEF\xBF\xBD"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* bytes : {"\xFF", "a\x80", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                            "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xC3(", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bytes)) << bytes;
  }
}

TEST(Utf8, AgreesWithWhatJsonHolds) {
  RandomStream random(1, 0, RandomPurpose::kShuffle);
  const std::string bytes = "a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xDF\xE0\xED\xEF\xF0\xF4\xF5\xFF";
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string text;
    const uint64_t length = 1 + random.below(5);
    for (uint64_t i = 0; i < length; ++i) text += bytes[random.below(bytes.size())];
    EXPECT_EQ(is_utf8(text), json_holds(text))
        << nlohmann::json(std::vector<uint8_t>(text.begin(), text.end()));
  }
}

}  // namespace
}  // namespace flatenn
