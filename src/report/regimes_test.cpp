#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flatenn/report/report.h"
#include "report/colour_scale.h"

namespace flatenn::report {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json row(const std::string& quantizer, double rate, double gain, const std::string& verdict,
         const std::string& broken = "") {
  return {{"comparison", "gain"},
          {"regime", "n-w4a4-first8-" + quantizer},
          {"network", "n"},
          {"bits", "w4a4"},
          {"first_last", "8"},
          {"quantizer", quantizer},
          {"sparsity", "none"},
          {"better", "saq-standard"},
          {"worse", "sgd-standard"},
          {"encoding", "offset_binary"},
          {"kind", "stuck_at_1"},
          {"rate", rate},
          {"quantity", "accuracy"},
          {"seeds", 3},
          {"gain", gain},
          {"networks_ci", json()},
          {"method_ci", {gain - 0.01, gain + 0.01}},
          {"p_value", 0.01},
          {"holm_p_value", verdict == "exploratory" ? json() : json(0.02)},
          {"claimed", verdict != "exploratory"},
          {"verdict", verdict},
          {"reason", ""},
          {"better_accuracy", 0.7},
          {"worse_accuracy", 0.7 - gain},
          {"better_golden", 0.9},
          {"worse_golden", 0.9},
          {"code_rms", 2.5},
          {"broken", broken}};
}

Findings findings() {
  Findings findings;
  findings.artifacts = {
      {"regimes",
       "out",
       {{"comparisons", {{{"id", "gain"}, {"statement", "SAQ gains"}}}},
        {"rows",
         {row("tied", 0.01, 0.286, "confirmed"), row("tied", 0.02, 0.01, "exploratory"),
          row("lsq", 0.01, -0.05, "refuted", "layer fc: code rms 0.5"),
          row("lsq", 0.02, 0, "undecided")}},
        {"left_out", {{{"regime", "n-liq"}, {"reason", "liq has 2 to 7 bits, no 8"}}}},
        {"not_run", json::array()}}}};
  return findings;
}

Section section() {
  for (Section& section : build_sections(findings()))
    if (section.id == "regimes") return std::move(section);
  return {};
}

TEST(RegimesSection, DrawsTheMapWithVerdictsAndBrokenBaselines) {
  const Section regimes = section();
  ASSERT_EQ(regimes.blocks.size(), 4u);
  const std::string text = std::get<Paragraph>(regimes.blocks[0]).text;
  EXPECT_THAT(text, HasSubstr("SAQ gains: claimed in 3 cells: confirmed in 1, refuted in 1, "
                              "undecided in 1. Over all 4 cells the difference goes from -5.0 "
                              "points (n-w4a4-first8-lsq"));
  EXPECT_THAT(text, HasSubstr("to 28.6 points (n-w4a4-first8-tied"));
  const auto& map = std::get<HeatMap>(regimes.blocks[1]);
  EXPECT_THAT(map.columns, ElementsAre("offset 1 %", "offset 2 %"));
  EXPECT_THAT(map.rows, ElementsAre("w4a4, ends 8, tied: saq-standard",
                                    "w4a4, ends 8, lsq: saq-standard \u2020"));
  EXPECT_NEAR(map.values[0][0], 28.6, 1e-9);
  EXPECT_NEAR(map.values[1][0], -5, 1e-9);
  EXPECT_THAT(map.marks[0], ElementsAre("\u2713", ""));
  EXPECT_THAT(map.marks[1], ElementsAre("\u2717", "?"));
  EXPECT_THAT(map.notes[1][0], HasSubstr("[-6.0, -4.0]: refuted; layer fc: code rms 0.5"));
  EXPECT_EQ(std::get<Table>(regimes.blocks[2]).rows.size(), 3u);
  EXPECT_THAT(std::get<Listing>(regimes.blocks[3]).text, HasSubstr("n-liq: liq has 2 to 7 bits"));
}

TEST(RegimesSection, StandsOnThePageWithItsMarks) {
  const std::string page = render_page(findings());
  EXPECT_THAT(page, HasSubstr("29\u2713"));
  EXPECT_THAT(page, HasSubstr("%{text}"));
}

TEST(HeatMapOfDifferences, HasZeroInTheMiddleAndWhite) {
  const HeatMap map{.values = {{-0.5, 2}}, .differences = true};
  EXPECT_EQ(value_range(map), (std::pair<double, double>{-2, 2}));
  EXPECT_EQ(scale_colour(0.5, colour_stops(map)), "#ffffff");
  EXPECT_EQ(scale_colour(0, colour_stops(map)), "#b35806");
  EXPECT_EQ(value_range(HeatMap{.values = {{0, 0}}, .differences = true}).second, 1e-9);
}

TEST(HeatMapOfDifferences, TurnsColumnNamesThatDoNotFit) {
  HeatMap map{.title = "m", .rows = {"r"}, .values = {{}}, .differences = true};
  for (int column = 0; column < 25; ++column) {
    map.columns.push_back("offset 0.5 %");
    map.values[0].push_back(column);
  }
  const std::string svg = to_svg(map, SvgHeading::kShown);
  size_t turned = 0;
  for (size_t at = svg.find("rotate(-90"); at != std::string::npos;
       at = svg.find("rotate(-90", at + 1))
    ++turned;
  EXPECT_EQ(turned, 25u + 1);  // the axis' title, too
}

}  // namespace
}  // namespace flatenn::report
