#include "flatenn/report/figure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "flatenn/report/report.h"
#include "report/contour_levels.h"
#include "report/end_labels.h"
#include "report/figure_table.h"
#include "report/plotly.h"
#include "report/scale.h"

namespace flatenn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Figure one_line() {
  Figure figure{.id = "f", .title = "T", .x = {.title = "x"}, .y = {.title = "y"}};
  figure.series.push_back({.name = "s", .x = {1, 2, 3}, .y = {4, 8, 6}});
  return figure;
}

int64_t count(const std::string& text, const std::string& part) {
  int64_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Scale, PutsTheDataInsideItsEnds) {
  for (const bool log : {false, true}) {
    const Scale scale({.log = log}, {1e-5, 3e-2, 7});
    for (const double value : {1e-5, 3e-2, 7.0}) {
      EXPECT_GT(scale.position(value), 0);
      EXPECT_LT(scale.position(value), 1);
    }
  }
}

TEST(Scale, LabelsEveryDecadeOfALogAxis) {
  const Scale scale({.log = true}, {1e-5, 1e-1});
  std::vector<std::string> labels;
  for (const Tick& tick : scale.ticks()) {
    if (!tick.label.empty()) labels.push_back(tick.label);
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"1e-05", "0.0001", "0.001", "0.01", "0.1"}));
}

TEST(Scale, TakesRoundStepsOnALinearAxis) {
  const Scale scale({.min = 0, .max = 100}, {});
  std::vector<std::string> labels;
  for (const Tick& tick : scale.ticks()) labels.push_back(tick.label);
  EXPECT_EQ(labels, (std::vector<std::string>{"0", "20", "40", "60", "80", "100"}));
}

TEST(Scale, DoesNotMagnifyRounding) {
  const Scale scale({}, {5229.60487, 5229.60488});
  EXPECT_GT(scale.high() - scale.low(), 5);
  EXPECT_NEAR(scale.position(5229.604875), 0.5, 1e-6);
}

TEST(Scale, StandsWithoutDataAndWithOneValue) {
  EXPECT_FALSE(Scale({}, {}).ticks().empty());
  EXPECT_FALSE(Scale({.log = true}, {}).ticks().empty());
  EXPECT_FALSE(Scale({}, {5}).ticks().empty());
  EXPECT_NEAR(Scale({.log = true}, {0.01}).position(0.01), 0.5, 1e-12);
}

TEST(Svg, DrawsOneMarkerAPointAndLeavesOutWhatIsNotFinite) {
  Figure figure = one_line();
  const int64_t in_legend = 1;
  EXPECT_EQ(count(to_svg(figure), "<circle"), 3 + in_legend);
  figure.series[0].y[1] = NAN;
  EXPECT_EQ(count(to_svg(figure), "<circle"), 2 + in_legend);
  EXPECT_THAT(to_svg(figure), Not(HasSubstr("nan")));
}

TEST(Svg, LeavesNonPositiveValuesOffALogAxis) {
  Figure figure = one_line();
  figure.x.log = true;
  figure.series[0].x[0] = 0;
  EXPECT_EQ(count(to_svg(figure), "<circle"), 2 + 1);
}

TEST(Svg, EscapesTitlesAndNames) {
  Figure figure = one_line();
  figure.title = "a<b & \"c\"";
  figure.series[0].name = "<script>";
  const std::string svg = to_svg(figure);
  EXPECT_THAT(svg, HasSubstr("a&lt;b &amp; &quot;c&quot;"));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
}

TEST(Svg, LeavesTheHeadingToThePageWhereAsked) {
  const Figure figure = one_line();
  EXPECT_THAT(to_svg(figure), HasSubstr("font-weight=\"bold\">T<"));
  EXPECT_THAT(to_svg(figure, SvgHeading::kLeftOut), Not(HasSubstr("font-weight=\"bold\"")));
}

TEST(Svg, DrawsHollowMarkersWhiteInside) {
  Figure figure = one_line();
  EXPECT_THAT(to_svg(figure), Not(HasSubstr("fill=\"#ffffff\" stroke=")));
  figure.series[0].style.hollow = true;
  EXPECT_EQ(count(to_svg(figure), "fill=\"#ffffff\" stroke=\"#0072b2\""), 3 + 1);
  EXPECT_EQ(to_plotly(figure).at("data")[0].at("marker").at("color"), "#ffffff");
}

TEST(Svg, WritesTheNumbersOfASmallHeatMap) {
  const HeatMap map{.id = "m",
                    .title = "m",
                    .columns = {"a", "b"},
                    .rows = {"r"},
                    .values = {{1.25, NAN}},
                    .decimals = 2};
  const std::string svg = to_svg(map);
  EXPECT_THAT(svg, HasSubstr(">1.25<"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

/// A bowl with its least value in the middle, and a hole in a corner.
Contour bowl() {
  Contour contour{.id = "c", .title = "bowl", .value_title = "Loss"};
  for (int i = -3; i <= 3; ++i) contour.x.push_back(i);
  contour.y = contour.x;
  for (const double y : contour.y) {
    contour.values.emplace_back();
    for (const double x : contour.x) contour.values.back().push_back(0.1 + x * x + y * y);
  }
  contour.values[0][0] = NAN;
  return contour;
}

TEST(Contour, HasLevelsAtEqualRatiosOverAllValues) {
  const std::vector<double> levels = contour_levels(bowl());
  EXPECT_DOUBLE_EQ(levels.front(), 0.1);
  EXPECT_NEAR(levels.back(), 18.1, 1e-9);
  for (size_t i = 2; i < levels.size(); ++i)
    EXPECT_NEAR(levels[i] / levels[i - 1], levels[1] / levels[0], 1e-9);
}

TEST(Contour, IsDrawnAsNestedRegions) {
  const std::string svg = to_svg(bowl());
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, HasSubstr(">18.1<"));
  // The least level covers everything but the hole; the highest leaves the middle out.
  std::vector<size_t> lengths;
  for (size_t at = svg.find("<path"); at != std::string::npos; at = svg.find("<path", at + 1))
    lengths.push_back(svg.find("/>", at) - at);
  EXPECT_EQ(lengths.size(), contour_levels(bowl()).size() - 1);
}

TEST(Contour, GivesPlotlyLogarithmsAndHoverTexts) {
  const nlohmann::json trace = to_plotly(bowl()).at("data").at(0);
  EXPECT_EQ(trace.at("type"), "contour");
  EXPECT_DOUBLE_EQ(trace.at("z")[3][3].get<double>(), -1);
  EXPECT_TRUE(trace.at("z")[0][0].is_null());
  EXPECT_EQ(trace.at("text")[3][3], "0.1");
}

TEST(Plotly, CarriesEveryPointAndItsBand) {
  Figure figure = one_line();
  figure.series[0].low = {3, 7, 5};
  figure.series[0].high = {5, 9, 7};
  const nlohmann::json data = to_plotly(figure).at("data");
  ASSERT_EQ(data.size(), 2u);
  EXPECT_EQ(data[0].at("y"), (std::vector<double>{5, 9, 7, 5, 7, 3}));
  EXPECT_EQ(data[1].at("y"), (std::vector<double>{4, 8, 6}));
  EXPECT_EQ(data[1].at("customdata")[2], (std::vector<double>{5, 7}));
}

TEST(Plotly, ShowsANameOnceInTheLegend) {
  Figure figure = one_line();
  figure.series.push_back(figure.series[0]);
  const nlohmann::json data = to_plotly(figure).at("data");
  EXPECT_TRUE(data[0].at("showlegend").get<bool>());
  EXPECT_FALSE(data[1].at("showlegend").get<bool>());
}

TEST(Plotly, NamesCategoriesInsteadOfPositions) {
  Figure figure = one_line();
  figure.x.categories = {"conv1", "conv2", "fc", "out"};
  EXPECT_EQ(to_plotly(figure).at("data")[0].at("x"),
            (std::vector<std::string>{"conv2", "fc", "out"}));
}

TEST(FigureTable, HoldsEveryPointUnderTheTitlesOfTheAxes) {
  Figure figure = one_line();
  figure.x.title = "Rate";
  figure.y.title = "Accuracy (%)";
  EXPECT_EQ(to_csv(table_of(figure)), "series,Rate,Accuracy (%)\ns,1,4\ns,2,8\ns,3,6\n");
  figure.series[0].low = {3, 7, 5};
  figure.series[0].high = {5, 9, 7};
  figure.series.push_back({.name = "t", .x = {1}, .y = {2}, .labels = {"net 1"}});
  EXPECT_EQ(to_csv(table_of(figure)),
            "series,Rate,Accuracy (%),low,high,of\ns,1,4,3,5,\ns,2,8,7,9,\ns,3,6,5,7,\n"
            "t,1,2,,,net 1\n");
}

TEST(FigureTable, HoldsEveryCellOfAHeatMapAndPointOfAPlane) {
  const HeatMap map{.x_title = "Bit",
                    .y_title = "Layer",
                    .value_title = "Lost",
                    .columns = {"0", "1"},
                    .rows = {"fc"},
                    .values = {{1.5, NAN}}};
  EXPECT_EQ(to_csv(table_of(map)), "Layer,Bit,Lost\nfc,0,1.5\nfc,1,\n");
  const Contour plane{.x_title = "x",
                      .y_title = "y",
                      .value_title = "Loss",
                      .x = {0, 1},
                      .y = {2, 3},
                      .values = {{4, 5}, {6, 7}}};
  EXPECT_EQ(to_csv(table_of(plane)), "x,y,Loss\n0,2,4\n1,2,5\n0,3,6\n1,3,7\n");
}

TEST(Palette, HasSevenDifferentColours) {
  std::set<std::string> colours;
  for (int64_t i = 0; i < 7; ++i) colours.insert(palette_colour(i));
  EXPECT_EQ(colours.size(), 7u);
  EXPECT_EQ(palette_colour(7), palette_colour(0));
}

/// Of a colour "#rrggbb" (WCAG 2.2, "contrast ratio").
double contrast_with_white(const std::string& colour) {
  const auto channel = [&](size_t place) {
    const double value = std::stoi(colour.substr(place, 2), nullptr, 16) / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  const double luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return 1.05 / (luminance + 0.05);
}

TEST(EndLabels, AreReadableOnWhite) {
  EXPECT_NEAR(contrast_with_white("#777777"), 4.48, 0.01);  // as published examples have it
  for (int64_t colour = 0; colour < 7; ++colour)
    EXPECT_GE(contrast_with_white(label_colour(colour)), 4.5) << label_colour(colour);
}

}  // namespace
}  // namespace flatenn::report
