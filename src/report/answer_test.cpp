#include "flatenn/report/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/end_labels.h"
#include "report/html.h"
#include "report/scale.h"
#include "report/sections.h"
#include "report/telling_cell.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Answer, NamesTheBestTheGainItsPriceAndHowSureItIs) {
  campaign::PlanResult plan = testing::test_plan();
  for (campaign::ModelResult& model : plan.models) {
    if (model.meta("recipe") == "saq") model.golden_accuracy -= 0.013;
  }
  const std::string answer = answer_of(plan);
  EXPECT_THAT(answer, StartsWith("saq-standard keeps "));
  const TellingCell cell = telling_cell(plan);
  EXPECT_THAT(answer, HasSubstr("at " + cell_words(plan, cell)));
  EXPECT_THAT(answer, HasSubstr("points more than sgd-standard"));
  EXPECT_THAT(answer, HasSubstr("costs 1.3 points without faults"));
  EXPECT_THAT(answer, HasSubstr("one training seed"));
  EXPECT_THAT(answer, HasSubstr("--seeds 5"));
}

TEST(Answer, SpeaksOfTheMethodWithSeveralSeeds) {
  const std::string answer = answer_of(testing::test_plan(3));
  EXPECT_THAT(answer, HasSubstr("Over 3 training seeds the 95 % interval is ["));
  EXPECT_THAT(answer, Not(HasSubstr("common fault maps")));
}

TEST(Answer, OfTwoSeedsIsUndecided) {
  EXPECT_THAT(answer_of(testing::test_plan(2)), HasSubstr("undecided"));
}

TEST(Answer, DoesNotDependOnTheOrderOfNetworksBeyondTies) {
  campaign::PlanResult plan = testing::test_plan();
  const std::string expected = answer_of(plan);
  testing::reverse_networks(plan);
  EXPECT_EQ(answer_of(plan), expected);
}

campaign::PlanResult plan_of_one() {
  campaign::PlanResult plan = testing::test_plan();
  plan.models.resize(1);
  std::erase_if(plan.cells, [](const auto& cell) { return cell.model != 0; });
  std::erase_if(plan.tolerances, [](const auto& result) { return result.model != 0; });
  plan.pairs.clear();
  return plan;
}

TEST(Answer, CallsANetworkWhatTablesCallIt) {
  campaign::PlanResult plan = plan_of_one();
  EXPECT_THAT(answer_of(plan), StartsWith("sgd-standard keeps ")) << "named after its arm";
  plan.models.front().name = "first-result";
  EXPECT_THAT(answer_of(plan), StartsWith("first-result keeps "));
  campaign::PlanResult several = testing::test_plan(3);
  for (campaign::ModelResult& model : several.models) model.name = "run-" + model.name;
  EXPECT_THAT(answer_of(several), Not(HasSubstr("run-")))
      << "an arm of several seeds is no network";
}

TEST(Answer, OfOneNetworkTellsWhatItTolerates) {
  campaign::PlanResult plan = plan_of_one();
  EXPECT_THAT(answer_of(plan), HasSubstr("at 5 % bit flips"));
  EXPECT_THAT(answer_of(plan),
              HasSubstr("costs at most 1 point is about 0.004 (surely at least 0.003 and less "
                        "than 0.006)"));
  plan.tolerances = {{.rate = 0.001, .ci = {0.001, 0.001}, .below = true, .low_below = true}};
  EXPECT_THAT(answer_of(plan), HasSubstr("is less than 0.001, the lowest measured"));
  plan.tolerances = {{.rate = 0.05, .ci = {0.05, 0.05}, .beyond = true, .high_beyond = true}};
  EXPECT_THAT(answer_of(plan), HasSubstr("is at least 0.05, the highest measured"));
}

TEST(Answer, OfOneFaultMapSaysThatItHasNoInterval) {
  campaign::PlanResult plan = plan_of_one();
  EXPECT_THAT(answer_of(plan), Not(HasSubstr("no interval")));
  for (campaign::CellResult& cell : plan.cells) cell.accuracy.count = 1;
  EXPECT_THAT(answer_of(plan), HasSubstr("One fault map a cell tells no interval."));
}

TEST(TellingCell, OfOneNetworkIsTheHardestWithTrials) {
  campaign::PlanResult plan = plan_of_one();
  EXPECT_EQ(telling_cell(plan).level, 4U);
  for (campaign::CellResult& cell : plan.cells) {
    if (cell.level > 2) cell.accuracy = {};
  }
  EXPECT_EQ(telling_cell(plan).level, 2U);
}

TEST(Answer, WithoutTrialsSaysSo) {
  campaign::PlanResult plan = testing::test_plan();
  for (campaign::CellResult& cell : plan.cells) cell.accuracy = {};
  EXPECT_EQ(answer_of(plan), "No trial is finished yet.");
  plan.cells.clear();
  EXPECT_EQ(answer_of(plan), "No trial is finished yet.");
  Findings findings{.title = "t"};
  findings.plans = {plan};
  EXPECT_NO_THROW(build_sections(findings));
}

TEST(Answer, OfALoneShareSaysSoAndHowToJoin) {
  campaign::PlanResult plan = plan_of_one();
  plan.share = campaign::Share{.index = 2, .of = 3};
  EXPECT_THAT(answer_of(plan), HasSubstr("This is share 2 of 3 alone; flatenn merge"));
  for (campaign::CellResult& cell : plan.cells) cell.accuracy = {};
  EXPECT_THAT(answer_of(plan),
              StartsWith("No cell can be told from these trials. This is share 2"));
}

TEST(Answer, OfSingleFaultsNamesTheWorstPlace) {
  campaign::PlanResult plan = plan_of_one();
  plan.single_fault = true;
  plan.cells.clear();
  for (const int bit : {-1, 0, 1}) {
    plan.strata.push_back({.layer_name = "fc",
                           .bit = bit,
                           .tried = bit < 0 ? 200 : 100,
                           .critical = bit < 0 ? 31 : 1 + 29 * bit,
                           .share = bit < 0 ? 0.155 : 0.01 + 0.29 * bit});
  }
  EXPECT_THAT(answer_of(plan), StartsWith("31 of 200 single faults change an answer."));
  EXPECT_THAT(answer_of(plan), HasSubstr("bit 1 of layer fc"));
}

TEST(AnswerSection, StandsFirstWithSentenceChipsAndOneChart) {
  const Findings findings = testing::test_findings();
  const std::vector<Section> sections = build_sections(findings);
  ASSERT_EQ(sections.front().id, "answer");
  EXPECT_EQ(sections[1].id, "designer");
  EXPECT_EQ(sections.back().id, "settings");
  const std::string html = section_html(sections.front());
  EXPECT_THAT(html, HasSubstr("<p class=\"lead\">saq-standard keeps "));
  EXPECT_THAT(html, HasSubstr("<li class=\"undecided\"><strong>undecided</strong>"));
  EXPECT_THAT(html, HasSubstr("1 seed, 5 needed"));
  EXPECT_THAT(html, HasSubstr("<figure id=\"hero\">"));
}

TEST(AnswerSection, ManyArmsAreShownAsDifferencesAndInSmallMultiples) {
  Findings findings = testing::test_findings();
  campaign::PlanResult& plan = findings.plans[0];
  plan.models.clear();
  plan.cells.clear();
  plan.pairs.clear();
  plan.tolerances.clear();
  for (const char* recipe : {"sgd", "saq", "sam", "asaq"}) {
    for (const char* activation : {"standard", "sparse"})
      plan.models.push_back(testing::test_model(recipe, activation, 1, 0.91));
  }
  for (int64_t model = 0; model < 8; ++model) {
    for (int64_t kind = 0; kind < 2; ++kind) {
      for (int64_t level = 0; level < 5; ++level)
        plan.cells.push_back(testing::test_cell(plan, model, kind, level, 6));
    }
  }
  for (int64_t kind = 0; kind < 2; ++kind) {
    for (int64_t level = 0; level < 5; ++level) testing::add_pairs(plan, kind, level);
  }
  std::vector<const Figure*> accuracy;
  const std::vector<Section> sections = build_sections(findings);
  for (const Section& section : sections) {
    for (const Block& block : section.blocks) {
      const auto* figure = std::get_if<Figure>(&block);
      if (figure == nullptr) continue;
      if (figure->id == "hero") {
        EXPECT_THAT(figure->title, HasSubstr("less that of sgd-standard"));
      }
      if (figure->id.starts_with("accuracy-bit-flip")) accuracy.push_back(figure);
    }
  }
  ASSERT_GE(accuracy.size(), 2U);
  std::set<std::string> names;
  for (const Figure* figure : accuracy) {
    EXPECT_LE(figure->series.size(), 4U);
    EXPECT_EQ(figure->y.min, accuracy.front()->y.min);
    EXPECT_EQ(figure->y.max, accuracy.front()->y.max);
    for (const Series& series : figure->series) names.insert(series.name);
  }
  EXPECT_EQ(names.size(), 8U);
}

TEST(Designer, HoldsATableOfWhatNetworksTolerateWithBounds) {
  Findings findings = testing::test_findings();
  findings.plans[0].tolerances[0].below = true;
  const Section section = designer_section(findings);
  ASSERT_EQ(section.blocks.size(), 1U);
  const auto& designer = std::get<Designer>(section.blocks[0]);
  EXPECT_EQ(designer.table.rows.size(), findings.plans[0].tolerances.size());
  const std::string html = section_html(section);
  EXPECT_THAT(html, HasSubstr("&lt;\u00a00.400"));
  EXPECT_THAT(html, HasSubstr("<tr data-tolerance=\"0\">"));
  EXPECT_THAT(html, HasSubstr("Accuracy needed (%)"));
}

nlohmann::json sensitivity_of(const std::string& hash) {
  return {
      {"flatenn_result", "sensitivity"},
      {"model", "m"},
      {"model_hash", hash},
      {"metadata", nlohmann::json::object()},
      {"result",
       {{"fault_kind", "bit_flip"},
        {"rate", 0.01},
        {"trials", 3},
        {"cells", nlohmann::json::array()},
        {"hardening",
         {{"rate", 0.01},
          {"steps",
           {{{"accuracy", 0.5}, {"accuracy_se", 0}, {"hardened_bits", 0}, {"hardened_share", 0}},
            {{"accuracy", 0.95},
             {"accuracy_se", 0},
             {"hardened_bits", 10},
             {"hardened_share", 0.25}}}}}}}}};
}

TEST(Designer, TellsBitsToHardenWhereTheyWereMeasured) {
  Findings findings = testing::test_findings();
  findings.artifacts.push_back(
      {"sensitivity", "x", sensitivity_of(findings.plans[0].models[0].hash)});
  const Section section = designer_section(findings);
  const Table& table = std::get<Designer>(section.blocks[0]).table;
  const auto column = std::find_if(table.columns.begin(), table.columns.end(),
                                   [](const auto& c) { return c.csv_name == "hardened_percent"; }) -
                      table.columns.begin();
  ASSERT_LT(column, std::ssize(table.columns));
  EXPECT_EQ(std::get<double>(table.rows[0][static_cast<size_t>(column)]), 25);
  EXPECT_TRUE(std::isnan(std::get<double>(table.rows.back()[static_cast<size_t>(column)])));
}

TEST(EndLabels, StandNearTheirCurvesWithoutOverlap) {
  Figure figure;
  for (int i = 0; i < 6; ++i)
    figure.series.push_back(
        {.name = "s" + std::to_string(i), .x = {1, 2}, .y = {0, 50 + 0.01 * i}});
  figure.series.push_back({.name = "low", .x = {1, 2}, .y = {0, 0}});
  const Scale y(figure.y, y_values(figure));
  const auto labels = end_labels(figure, y);
  ASSERT_EQ(labels.size(), 7U);
  for (size_t i = 1; i < labels.size(); ++i)
    EXPECT_GE(labels[i].position - labels[i - 1].position, 0.05);
  EXPECT_LE(labels.back().position, 1);
  EXPECT_EQ(labels.front().name, "low");
  EXPECT_NEAR(labels.front().position, y.position(0), 0.01);
}

TEST(Scale, ValueIsTheInverseOfPosition) {
  for (const bool log : {false, true}) {
    const Scale scale({.log = log}, {0.5, 3, 40});
    for (const double value : {0.5, 3.0, 40.0})
      EXPECT_NEAR(scale.value(scale.position(value)), value, 1e-9);
  }
}

TEST(Scale, DoesNotStretchSmallDifferencesOverTheWholeWidth) {
  const Scale scale({}, {200, 201});  // half a percent
  EXPECT_LT(scale.position(201) - scale.position(200), 0.06);
  const Scale equal({}, {200, 200});
  EXPECT_NEAR(equal.position(200), 0.5, 1e-9);
}

TEST(Scale, TicksOfCountsAreWhole) {
  const Scale scale({.whole = true}, {1, 4});
  for (const Tick& tick : scale.ticks())
    EXPECT_EQ(tick.value, std::round(tick.value)) << tick.label;
}

}  // namespace
}  // namespace flatenn::report
