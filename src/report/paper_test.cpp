#include "flatenn/report/paper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/temporary_folder.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What a plan's settings say of one kind of fault.
campaign::PlanResult plan_with(const std::string& faults) {
  campaign::PlanResult plan = testing::test_plan();
  plan.settings_json = R"({"kinds": [{"name": "bit_flip", "faults": )" + faults + "}]}";
  return plan;
}

TEST(FaultWords, TellLayersBitsEncodingAndProtection) {
  EXPECT_EQ(fault_words(plan_with(
                R"({"encoding": "twos_complement", "sources": [{"target": "weights",
                    "unit": "bit", "kinds": {}, "rate_factor": 1}]})")),
            "all weights, two's complement, no protection");
  EXPECT_EQ(fault_words(plan_with(
                R"({"encoding": "gray", "sources": [{"target": "weights", "unit": "bit",
                    "layers": ["fc1", "fc2"], "bits": [3]}],
                    "protection": {"code": "secded", "hardened_bits": 1}})")),
            "weights of layers fc1 and fc2, bit 3, Gray code, secded, top 1 bit hardened");
  campaign::PlanResult damaged = testing::test_plan();
  for (const char* settings : {"", "[]", "{", R"({"kinds": [1]})"}) {
    damaged.settings_json = settings;
    EXPECT_EQ(fault_words(damaged), "") << settings;
  }
}

TEST(PaperTable, HasARowANetworkAndKindAndAColumnALevel) {
  const Table table = paper_table(testing::test_plan());
  EXPECT_EQ(table.rows.size(), 8U);
  ASSERT_EQ(table.columns.size(), 8U);
  EXPECT_EQ(table.columns[5].title, "1 %");
  EXPECT_THAT(std::get<std::string>(table.rows[0][3]), HasSubstr(" ± "));
  EXPECT_THAT(table.caption, HasSubstr("over 6 fault maps"));
}

TEST(PaperTable, TellsWhatIsMissing) {
  campaign::PlanResult plan = testing::test_plan();
  for (campaign::CellResult& cell : plan.cells) cell.accuracy.count = 1;
  EXPECT_THAT(paper_table(plan).caption, HasSubstr("over 1 fault map, without an interval"));
  for (campaign::CellResult& cell : plan.cells) cell.accuracy.count = 0;
  const Table none = paper_table(plan);
  EXPECT_THAT(none.caption, HasSubstr("no trial is finished yet"));
  EXPECT_THAT(to_latex(none), HasSubstr(" & -- "));
  EXPECT_THAT(to_latex(none), HasSubstr("{llrrrrrr}")) << "a column of nothing is one of numbers";
}

TEST(Latex, IsATableOfBooktabsWithEverySignSafe) {
  Table table{.id = "t",
              .caption = "50 % of a_b & c ± ~^\\{}#$ ≥ −",
              .columns = {{"Network"}, {"1 %"}},
              .rows = {{std::string("net_1"), std::string("91.20 ± 0.10")}}};
  const std::string latex = to_latex(table);
  for (const char* part :
       {"\\toprule", "\\midrule", "\\bottomrule", "\\begin{tabular}{lr}", "\\label{tab:t}",
        "50 \\% of a\\_b \\& c $\\pm$", "\\textasciitilde{}\\textasciicircum{}\\textbackslash{}",
        "\\{\\}\\#\\$ $\\geq$ $-$", "net\\_1 & 91.20 $\\pm$ 0.10 \\\\"})
    EXPECT_THAT(latex, HasSubstr(part));
}

TEST(Markdown, AlignsNumbersAndEscapesNames) {
  const Table table{.id = "t",
                    .title = "a|b <i>*_",
                    .caption = "c",
                    .columns = {{"n|m"}, {"x"}},
                    .rows = {{std::string("q"), 1.0}}};
  EXPECT_EQ(to_markdown(table),
            "**a\\|b \\<i\\>\\*\\_**: c\n\n| n\\|m | x |\n| --- | ---: |\n| q | 1.00 |\n");
}

Figure small_figure() {
  return {.id = "f",
          .title = "(T) \\ ± −",
          .x = {.title = "x", .log = true},
          .y = {.title = "Accuracy (%)"},
          .series = {{.name = "a", .x = {0.1, 1}, .y = {1, 2}, .low = {0, 1}, .high = {2, 3}},
                     {.name = "b",
                      .style = {.colour = 1,
                                .dash = Dash::kDashed,
                                .marker = Marker::kDiamond,
                                .hollow = true},
                      .x = {0.1, 1},
                      .y = {2, 1}}},
          .references = {{"", 1.5, {}}}};
}

TEST(Pdf, IsAWholeFileWithTextAsText) {
  const std::string pdf = svg_to_pdf(to_svg(small_figure()), 252);
  EXPECT_THAT(pdf, StartsWith("%PDF-1.4\n"));
  EXPECT_THAT(pdf, HasSubstr("/MediaBox [0 0 252.000 "));
  EXPECT_THAT(pdf, HasSubstr("(\\(T\\) \\\\ \xb1 \x96) Tj"));
  EXPECT_THAT(pdf, HasSubstr("/BaseFont /Helvetica"));
  // The cross-reference table points at each object.
  const size_t table = pdf.rfind("xref\n0 7\n");
  ASSERT_NE(table, std::string::npos);
  for (int object = 1; object < 7; ++object) {
    const std::string offset = pdf.substr(table + 9 + 20 * static_cast<size_t>(object), 10);
    EXPECT_EQ(pdf.compare(std::stoul(offset), 7, std::to_string(object) + " 0 obj"), 0) << object;
  }
  EXPECT_EQ(std::stoul(pdf.substr(pdf.rfind("startxref\n") + 10)), table);
}

TEST(Pdf, OpensAndShowsItsTextInAnotherProgram) {
  if (std::system("command -v pdftotext > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "pdftotext is missing (poppler-utils)";
  const TemporaryFolder folder;
  const auto path = folder.path() / "f.pdf";
  write_file_atomically(path, svg_to_pdf(to_svg(small_figure()), 252));
  const auto text = folder.path() / "f.txt";
  ASSERT_EQ(std::system(("pdftotext " + path.string() + " " + text.string()).c_str()), 0);
  EXPECT_THAT(read_file(text), HasSubstr("Accuracy (%)"));
}

TEST(Pdf, DrawsEveryPictureThatIsDrawnAsSvg) {
  HeatMap map{.id = "h", .title = "H", .columns = {"0", "1"}, .rows = {"r"}, .values = {{1, 2}}};
  Contour contour{.id = "c", .title = "C", .x = {0, 1}, .y = {0, 1}, .values = {{1, 2}, {3, 4}}};
  for (const std::string& svg : {to_svg(map), to_svg(contour), to_svg(small_figure())})
    EXPECT_THAT(svg_to_pdf(svg, 516), HasSubstr("%%EOF"));
  EXPECT_THROW(svg_to_pdf("<html>", 252), Error);
  EXPECT_THROW(svg_to_pdf("", 252), Error);
}

TEST(Svg, NarrowPicturesNameCurvesInTheLegendAlone) {
  const std::string narrow =
      to_svg(small_figure(), SvgHeading::kLeftOut, {.width = 380, .plot_height = 230});
  const std::string wide = to_svg(small_figure(), SvgHeading::kLeftOut);
  const auto count = [](const std::string& svg) {
    size_t found = 0;
    for (size_t at = svg.find(">a</text>"); at != std::string::npos;
         at = svg.find(">a</text>", at + 1))
      ++found;
    return found;
  };
  EXPECT_EQ(count(narrow), 1U);
  EXPECT_EQ(count(wide), 2U);
  EXPECT_THAT(narrow, HasSubstr("viewBox=\"0 0 380 "));
}

}  // namespace
}  // namespace flatenn::report
