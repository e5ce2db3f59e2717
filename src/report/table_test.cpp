#include "flatenn/report/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report/format.h"
#include "report/html.h"

namespace flatenn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Csv, QuotesWhatNeedsItAndKeepsAllDigits) {
  const Table table{.columns = {{"Name"}, {"Value (%)", 1, "value"}},
                    .rows = {{"plain", 0.1}, {"a,\"b\"", 1.0 / 3}, {"none", NAN}}};
  EXPECT_EQ(to_csv(table), "Name,value\nplain,0.1\n\"a,\"\"b\"\"\",0.3333333333333333\nnone,\n");
}

TEST(TableHtml, RoundsForReadingAndKeepsTheNumberForSorting) {
  const Table table{.id = "t", .columns = {{"v", 1}}, .rows = {{2.0 / 3}}};
  EXPECT_THAT(table_html(table),
              HasSubstr("<td class=\"number\" data-value=\"0.6666666666666666\">0.7</td>"));
}

TEST(TableHtml, MarksBoundsAndTellsMachinesByFlags) {
  const Table table{.id = "t",
                    .columns = {{"v", 2, "value"}, {"below", 0, "below", true}},
                    .rows = {{Bound{0.01, "<"}, 1.0}, {0.5, 0.0}}};
  const std::string html = table_html(table);
  EXPECT_THAT(html, HasSubstr("data-value=\"0.01\">&lt;\u00a00.01</td></tr>"));
  EXPECT_THAT(html, Not(HasSubstr("below")));
  EXPECT_EQ(to_csv(table), "value,below\n0.01,1\n0.5,0\n");
}

TEST(TableHtml, FoldsWhatIsNotToBeOpen) {
  Table table{.id = "t", .columns = {{"v", 1}}, .rows = {{1.0}, {2.0}}};
  EXPECT_THAT(table_html(table), HasSubstr("<details><summary>Show 2 rows</summary>"));
  table.open = true;
  EXPECT_THAT(table_html(table), Not(HasSubstr("<details>")));
}

TEST(TableHtml, EscapesTitlesAndFields) {
  const Table table{.id = "t", .title = "<i>", .columns = {{"<b>"}}, .rows = {{"</td>&"}}};
  const std::string html = table_html(table);
  EXPECT_THAT(html, HasSubstr("&lt;i&gt;"));
  EXPECT_THAT(html, HasSubstr("&lt;b&gt;"));
  EXPECT_THAT(html, HasSubstr("&lt;/td&gt;&amp;"));
}

TEST(Fixed, NeverShowsMinusZero) {
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(fixed(-0.006, 2), "-0.01");
  EXPECT_EQ(fixed(NAN, 2), "");
}

TEST(Embeddable, CannotEndAScriptElement) {
  const std::string text = embeddable(R"({"a": "</script><!-- <b>"})");
  EXPECT_THAT(text, Not(HasSubstr("<")));
  EXPECT_THAT(text, HasSubstr("\\u003c/script>"));
}

TEST(Slug, GivesASafeFileName) { EXPECT_EQ(slug("Stuck at/../0 (x)"), "stuck-at-0-x"); }

}  // namespace
}  // namespace flatenn::report
