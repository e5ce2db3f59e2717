#include "report/format.h"

#include <gtest/gtest.h>

namespace flatenn::report {
namespace {

TEST(EscapeHtml, ReplacesWhatMarkupWouldTakeAsItsOwn) {
  EXPECT_EQ(escape_html("<a href='x'>\"&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;");
}

TEST(EscapeHtml, LeavesNoCharacterThatXmlForbids) {
  for (int code = 1; code < 0x20; ++code) {
    const std::string text(1, static_cast<char>(code));
    const bool blank = code == '\t' || code == '\n' || code == '\r';
    EXPECT_EQ(escape_html("a" + text + "b"), "a" + (blank ? text : "\xef\xbf\xbd") + "b") << code;
  }
  EXPECT_EQ(escape_html(std::string("\0", 1)), "\xef\xbf\xbd");
  EXPECT_EQ(escape_html("\xc3\xa9 \x7f"), "\xc3\xa9 \x7f");
}

TEST(Format, ShortNamesKeepWholeCharacters) {
  EXPECT_EQ(short_name("saq-sparse"), "saq-sparse");
  EXPECT_EQ(short_name(std::string(40, 'a')), std::string(40, 'a'));
  EXPECT_EQ(short_name(std::string(41, 'a')), std::string(39, 'a') + "…");
  std::string hebrew;
  for (int i = 0; i < 60; ++i) hebrew += "ש";
  EXPECT_EQ(short_name(hebrew), hebrew.substr(0, 2 * 39) + "…");
}

}  // namespace
}  // namespace flatenn::report
