#include "flatenn/base/printable.h"

#include <gtest/gtest.h>

namespace flatenn {
namespace {

TEST(Printable, KeepsWhatPeopleRead) {
  for (const char* const text : {"", "a.onnx: no \\ \"file\"", "Größe 3 µm, 数据 \U0001f600"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesEveryControlCharacter) {
  for (int byte = 0; byte < 0x20; ++byte) {
    const std::string shown = printable(std::string("a") + static_cast<char>(byte) + "b");
    EXPECT_EQ(shown.substr(0, 2), "a\\");
    for (const char c : shown) EXPECT_GE(c, ' ');
  }
  EXPECT_EQ(printable("a\n\tb\x7f\x1b[31m"), "a\\n\\tb\\x7f\\x1b[31m");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "a terminal takes it for ESC [";
}

TEST(Printable, EscapesWhatTurnsTheDirectionOfWriting) {
  EXPECT_EQ(printable("a\u202ecba\u202c"), "a\\xe2\\x80\\xaecba\\xe2\\x80\\xac");
  for (const char* const mark :
       {"\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u2066", "\u2069"})
    EXPECT_EQ(printable(mark).substr(0, 4), "\\xe2") << mark;
  EXPECT_EQ(printable("שלום – … ‰"), "שלום – … ‰");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(printable("\xff\xc3(\xe2\x82"), "\\xff\\xc3(\\xe2\\x82");
}

}  // namespace
}  // namespace flatenn
