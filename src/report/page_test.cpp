#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "base/temporary_folder.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"
#include "report/assets.h"
#include "report/html.h"
#include "report/sections.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The page without Plotly's code, which has addresses in comments.
std::string own_part(const std::string& page) {
  std::string text = page;
  const std::string plotly(plotly_js());
  const size_t at = text.find(plotly);
  EXPECT_NE(at, std::string::npos);
  return text.erase(at, plotly.size());
}

nlohmann::json embedded(const std::string& page, const std::string& id) {
  const std::string opening = "<script type=\"application/json\" id=\"" + id + "\">";
  const size_t begin = page.find(opening) + opening.size();
  return nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(Page, HoldsEveryCellsNumbersAsStored) {
  const Findings findings = testing::test_findings();
  const nlohmann::json data = embedded(render_page(findings), "flatenn-data");
  const campaign::PlanResult& plan = findings.plans[0];
  const nlohmann::json& cells = data.at("plans")[0].at("cells");
  ASSERT_EQ(cells.size(), plan.cells.size());
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    EXPECT_EQ(cells[i].at("mean").get<double>(), plan.cells[i].accuracy.mean);
    EXPECT_EQ(cells[i].at("ci")[0].get<double>(), plan.cells[i].ci.low);
    EXPECT_EQ(cells[i].at("yield").get<double>(), plan.cells[i].yield);
    EXPECT_EQ(cells[i].at("landed").get<double>(), plan.cells[i].landed);
    EXPECT_EQ(cells[i].at("accuracies").get<std::vector<double>>(), plan.cells[i].accuracies);
  }
  ASSERT_EQ(data.at("plans")[0].at("pairs").size(), plan.pairs.size());
  EXPECT_EQ(data.at("plans")[0].at("pairs")[3].at("difference").get<double>(),
            plan.pairs[3].difference);
}

TEST(Page, DrawsEachModelInEachKindsFigure) {
  const nlohmann::json figures = embedded(render_page(testing::test_findings()), "flatenn-figures");
  for (const char* kind : {"bit-flip", "stuck-at-0"}) {
    std::vector<std::string> names;
    for (const nlohmann::json& trace : figures.at("accuracy-" + std::string(kind)).at("data")) {
      if (trace.value("showlegend", false)) names.push_back(trace.at("name"));
    }
    EXPECT_THAT(names, ::testing::UnorderedElementsAre("sgd-standard", "saq-standard", "sgd-sparse",
                                                       "saq-sparse"));
  }
}

TEST(Page, LoadsNothingFromElsewhere) {
  const std::string page = own_part(render_page(testing::test_findings()));
  const std::regex loads(R"re((src|href|action|data)\s*=\s*["']?\s*(https?:)?//|url\(|@import)re");
  EXPECT_FALSE(std::regex_search(page, loads));
  EXPECT_THAT(std::string(plotly_js()), Not(HasSubstr("</script")));
}

TEST(Page, IsTheSameForTheSameFindings) {
  EXPECT_EQ(render_page(testing::test_findings()), render_page(testing::test_findings()));
}

TEST(Page, EscapesNamesFromOutside) {
  Findings findings = testing::test_findings();
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
  findings.title = evil;
  findings.plans[0].name = evil;
  findings.plans[0].models[0].metadata["recipe"] = evil;
  findings.plans[0].models[0].name = evil;
  findings.plans[0].kinds[0] = evil;
  findings.runs[0].name = evil;
  findings.runs[0].record["name"] = evil;
  findings.claims[0].statement = evil;
  findings.commands.push_back(evil);
  const std::string page = own_part(render_page(findings));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_EQ(embedded(page, "flatenn-data").at("title"), evil);
}

TEST(Page, StandsWithRunsAloneAndWithCampaignsAlone) {
  Findings runs = testing::test_findings();
  runs.plans.clear();
  EXPECT_THAT(render_page(runs), Not(HasSubstr("id=\"accuracy\"")));
  Findings plans = testing::test_findings();
  plans.runs.clear();
  plans.claims.clear();
  const std::string page = render_page(plans);
  EXPECT_THAT(page, HasSubstr("id=\"accuracy\""));
  EXPECT_THAT(page, Not(HasSubstr("id=\"training\"")));
}

TEST(Page, NamesTheWarningsOfRuns) {
  EXPECT_THAT(render_page(testing::test_findings()),
              HasSubstr("<strong>Warning.</strong> sgd-sparse: layer fc: code rms 0.8 is under 1"));
}

TEST(Page, KeepsLayersInTheNetworksOrder) {
  const nlohmann::json figures = embedded(render_page(testing::test_findings()), "flatenn-figures");
  EXPECT_EQ(figures.at("layer-sparsity").at("data")[0].at("x"),
            (std::vector<std::string>{"conv2", "conv10", "fc"}));
}

TEST(Page, CallsExactNumbersOfFaultsByTheirName) {
  Findings findings = testing::test_findings();
  findings.runs.clear();
  for (campaign::Level& level : findings.plans[0].levels) {
    level = {.count = static_cast<int64_t>(1000 * level.rate), .label = level.label};
  }
  findings.plans[0].tolerances[0].rate = 12;
  const std::string page = own_part(render_page(findings));
  EXPECT_THAT(page, HasSubstr("5 numbers of faults, "));
  EXPECT_THAT(page, HasSubstr("Tolerable number of faults"));
  EXPECT_THAT(page, HasSubstr("data-value=\"12\""));
  const nlohmann::json figures = embedded(render_page(findings), "flatenn-figures");
  EXPECT_THAT(figures.at("accuracy-bit-flip").dump(), HasSubstr("Faulty bits"));
  EXPECT_THAT(figures.at("accuracy-bit-flip").dump(), Not(HasSubstr("Bit error rate")));
}

TEST(Page, TellsWhatSingleFaultsCameTo) {
  Findings findings;
  campaign::PlanResult plan = testing::test_plan();
  plan.cells.clear();
  plan.single_fault = true;
  plan.strata = {{.layer_name = "fc", .bit = 0, .population = 9, .wanted = 9, .tried = 9},
                 {.layer_name = "fc", .bit = 1, .population = 9, .wanted = 9, .tried = 4},
                 {.layer = -1, .layer_name = "all", .bit = -1, .population = 18, .tried = 13}};
  findings.plans = {plan};
  const std::string page = own_part(render_page(findings));
  EXPECT_THAT(page, HasSubstr("single faults by layer and bit, 13 trials over"));
  EXPECT_THAT(page, HasSubstr("1 stratum unfinished."));
  EXPECT_THAT(page, HasSubstr("<td>all</td>"));
}

TEST(Sections, HaveUniqueIds) {
  Findings findings = testing::test_findings();
  findings.plans.push_back(testing::test_plan());
  std::vector<std::string> ids;
  for (const Section& section : build_sections(findings)) {
    for (const Block& block : section.blocks) {
      if (const auto* figure = std::get_if<Figure>(&block)) ids.push_back(figure->id);
      if (const auto* table = std::get_if<Table>(&block)) ids.push_back(table->id);
    }
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(Page, ShowsNoYieldWhereTrialsTellNone) {
  Findings findings = testing::test_findings();
  EXPECT_TRUE(embedded(render_page(findings), "flatenn-figures").contains("yield-bit-flip"));
  for (campaign::CellResult& cell : findings.plans[0].cells) {
    cell.yield = NAN;
    cell.yield_ci = {NAN, NAN};
  }
  const std::string page = render_page(findings);
  EXPECT_FALSE(embedded(page, "flatenn-figures").contains("yield-bit-flip"));
  EXPECT_TRUE(embedded(page, "flatenn-data").at("plans")[0].at("cells")[0].at("yield").is_null());
}

TEST(Replicates, AreJoinedOverTrainingSeeds) {
  const nlohmann::json figures =
      embedded(render_page(testing::test_findings(3)), "flatenn-figures");
  int64_t shown = 0, thin = 0;
  for (const char* figure : {"accuracy-bit-flip", "yield-bit-flip"}) {
    shown = thin = 0;
    for (const nlohmann::json& trace : figures.at(figure).at("data")) {
      if (trace.value("showlegend", false)) ++shown;
      if (trace.contains("name") && trace.value("opacity", 1.0) == 0.55) ++thin;
    }
    EXPECT_EQ(shown, 4) << figure;
    EXPECT_EQ(thin, 12) << figure;
  }
}

TEST(Exports, WriteEveryTableAndFigure) {
  const TemporaryFolder temporary;
  const std::filesystem::path& folder = temporary.path();
  const Findings findings = testing::test_findings();
  const int64_t files = write_tables(findings, folder) + write_figures(findings, folder);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), files);
  EXPECT_THAT(read_file(folder / "cells.csv"),
              ::testing::StartsWith("model,kind,bit_error_rate,maps,accuracy_mean_percent"));
  EXPECT_THAT(read_file(folder / "accuracy-bit-flip.csv"),
              ::testing::StartsWith("series,Bit error rate (share of stored bits),Accuracy (%)"));
  EXPECT_THAT(read_file(folder / "accuracy-bit-flip.svg"), ::testing::StartsWith("<svg "));
}

}  // namespace
}  // namespace flatenn::report
