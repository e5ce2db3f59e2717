#include "report/sections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "flatenn/report/report.h"
#include "report/artifacts.h"
#include "report/format.h"
#include "report/html.h"
#include "report/test_findings.h"

namespace flatenn::report {
namespace {

using ::testing::HasSubstr;

TEST(Differences, AreBetterMinusWorseWhicheverWayTheyAreStored) {
  const Findings findings = testing::test_findings();
  const auto sections = build_sections(findings);
  const auto& plan = findings.plans[0];
  for (const Section& section : sections) {
    for (const Block& block : section.blocks) {
      const auto* figure = std::get_if<Figure>(&block);
      if (figure == nullptr || figure->id != "gain-bit-flip") continue;
      ASSERT_EQ(figure->series[0].name, "saq − sgd, standard");
      EXPECT_NEAR(figure->series[0].y.back(),
                  100 * (plan.cell(1, 0, 4)->accuracy.mean - plan.cell(0, 0, 4)->accuracy.mean),
                  1e-9);
      return;
    }
  }
  FAIL() << "no figure gain-bit-flip";
}

const Table* find_table(const std::vector<Section>& sections, const std::string& id) {
  for (const Section& section : sections) {
    for (const Block& block : section.blocks) {
      const auto* table = std::get_if<Table>(&block);
      if (table != nullptr && table->id == id) return table;
    }
  }
  return nullptr;
}

TEST(Summary, HasARowAnArmWithItsIntervalOverSeeds) {
  const Findings findings = testing::test_findings(3);
  const std::vector<Section> sections = build_sections(findings);
  const Table* table = find_table(sections, "summary");
  ASSERT_NE(table, nullptr);
  ASSERT_EQ(table->rows.size(), 4u);
  EXPECT_EQ(std::get<double>(table->rows[0][1]), 3);             // seeds
  EXPECT_NEAR(std::get<double>(table->rows[0][2]), 91.2, 1e-9);  // 91.1, 91.2, 91.3
  // Student t of those: sd 0.1, t(0.975, 2) = 4.302653.
  EXPECT_NEAR(std::get<double>(table->rows[0][3]), 4.302653 * 0.1 / std::sqrt(3.0), 1e-6);
}

TEST(Tolerances, OutsideTheMeasuredRatesAreMarkedOnThePageInCsvAndInJson) {
  Findings findings = testing::test_findings();
  findings.plans[0].tolerances = {
      {.rate = 0.001, .ci = {0.001, 0.001}, .below = true, .low_below = true},
      {.rate = 0.05, .ci = {0.03, 0.05}, .beyond = true, .high_beyond = true}};
  const std::vector<Section> sections = build_sections(findings);
  const Table* table = find_table(sections, "tolerance");
  ASSERT_NE(table, nullptr);
  EXPECT_THAT(table_html(*table), HasSubstr("&lt;\u00a00.100"));
  EXPECT_THAT(table_html(*table), HasSubstr("≥\u00a05.000"));
  EXPECT_THAT(to_csv(*table), HasSubstr("0.1,0.1,0.1,1,1,0,0\n"));
  EXPECT_THAT(to_csv(*table), HasSubstr("5,3,5,0,0,1,1\n"));
  const nlohmann::json json = findings_to_json(findings).at("plans")[0].at("tolerances");
  EXPECT_EQ(json[0].at("below"), true);
  EXPECT_EQ(json[0].at("low_below"), true);
  EXPECT_EQ(json[1].at("high_beyond"), true);
}

TEST(Differences, SpeakOfTheLowestSeedInWhateverOrderNetworksStand) {
  Findings findings = testing::test_findings(3);
  const std::vector<Section> expected = build_sections(findings);
  testing::reverse_networks(findings.plans[0]);
  const auto rows = [](const std::vector<Section>& sections) {
    const Table* table = find_table(sections, "differences");
    std::set<std::string> lines;
    for (const auto& row : table->rows) {
      std::string line;  // seeds are summed in another order: rounded
      for (const Field& field : row) {
        const auto* number = std::get_if<double>(&field);
        line += number != nullptr ? fixed(*number, 9) + " " : std::get<std::string>(field) + " ";
      }
      lines.insert(line);
    }
    return lines;
  };
  EXPECT_EQ(rows(build_sections(findings)), rows(expected));
}

TEST(Claims, CountTheirVerdicts) {
  Findings findings = testing::test_findings();
  findings.claims.push_back(findings.claims[0]);
  findings.claims.back().verdict = "confirmed";
  const std::vector<Section> sections = build_sections(findings);
  const Table* table = find_table(sections, "verdicts");
  ASSERT_NE(table, nullptr);
  ASSERT_EQ(table->rows.size(), 1u);
  EXPECT_EQ(std::get<double>(table->rows[0][2]), 1);
  EXPECT_EQ(std::get<double>(table->rows[0][4]), 1);
}

/// A `cost` or `sharpness` result of a model of the test plan.
Artifact artifact_of(const campaign::ModelResult& model, const std::string& kind,
                     const nlohmann::json& result) {
  return {kind,
          model.name,
          {{"model", model.name},
           {"model_hash", model.hash},
           {"metadata", model.metadata},
           {"result", result}}};
}

nlohmann::json machine_of(double energy) {
  return {{{"hardware", "array"},
           {"latency_us", 1.0},
           {"total",
            {{"sparsity", 0.5},
             {"dense_macs", 9},
             {"effective_macs", 4},
             {"traffic_bits", 8},
             {"load_imbalance", 1.0},
             {"energy_pj", energy},
             {"dram_pj", 100.0}}}}};
}

const Figure* find_figure(const std::vector<Section>& sections, const std::string& id) {
  for (const Section& section : sections) {
    for (const Block& block : section.blocks) {
      const auto* figure = std::get_if<Figure>(&block);
      if (figure != nullptr && figure->id == id) return figure;
    }
  }
  return nullptr;
}

/// A loss plane of 3 x 3 points, from `lowest` to nine times that.
Artifact plane_of(const std::string& model, const std::string& space, double lowest) {
  nlohmann::json result = {
      {"settings",
       {{"points", 3}, {"plane", true}, {"space", space}, {"direction", "random"}, {"images", 9}}},
      {"x_name", "first"},
      {"y_name", "second"},
      {"x", {-1, 0, 1, -1, 0, 1, -1, 0, 1}},
      {"y", {-1, -1, -1, 0, 0, 0, 1, 1, 1}}};
  for (int i = 1; i <= 9; ++i) result["loss"].push_back(lowest * i);
  return {.kind = "landscape",
          .label = model,
          .content = {{"flatenn_result", "landscape"},
                      {"model", model},
                      {"model_hash", model},
                      {"metadata", {{"name", model}}},
                      {"result", result}}};
}

TEST(Landscape, PlanesOfOneKindShareTheirColoursAndNoOthers) {
  Findings findings{.title = "t"};
  findings.artifacts = {plane_of("a", "after", 0.1), plane_of("b", "after", 2),
                        plane_of("c", "before", 7)};
  std::map<std::string, Contour> planes;
  for (const Block& block : landscape_section(findings).blocks) {
    const auto& contour = std::get<Contour>(block);
    planes[contour.title.substr(contour.title.size() - 1)] = contour;
  }
  ASSERT_EQ(planes.size(), 3U);
  EXPECT_EQ(planes["a"].low, planes["b"].low);
  EXPECT_EQ(planes["a"].high, planes["b"].high);
  EXPECT_LE(planes["a"].low.value(), 0.1);
  EXPECT_GE(planes["a"].high.value(), 18);
  EXPECT_GT(planes["c"].low.value(), 1);
}

/// "saq − sgd, standard" is what saq has more than sgd.
TEST(Differences, HaveTheSignOfTheirNames) {
  const Findings findings = testing::test_findings();
  const campaign::PlanResult& plan = findings.plans[0];
  const auto accuracy = [&](const Arm& arm, int64_t level) {
    return 100 * plan.cell(arm.models[0], 0, level)->accuracy.mean;
  };
  const std::vector<Arm> arms = arms_of(plan);
  std::vector<Comparison> comparisons = recipe_comparisons(arms);
  for (Comparison& more : activation_comparisons(arms)) comparisons.push_back(std::move(more));
  ASSERT_EQ(comparisons.size(), 4U);
  size_t found = 0;
  const Section differences = differences_section(findings);
  for (const Block& block : differences.blocks) {
    const auto* const figure = std::get_if<Figure>(&block);
    if (figure == nullptr || figure->id.find("flip") == std::string::npos) continue;
    for (const Comparison& one : comparisons) {
      for (const Series& series : figure->series) {
        if (series.name != one.title) continue;
        ++found;
        for (int64_t level = 0; level < 5; ++level) {
          EXPECT_NEAR(series.y.at(static_cast<size_t>(level)),
                      accuracy(one.better, level) - accuracy(one.worse, level), 1e-9)
              << one.title;
        }
      }
    }
  }
  EXPECT_EQ(found, comparisons.size());
}

TEST(Pareto, FrontHoldsTheBestOfEqualEnergyAndLegendsTellArms) {
  Findings findings = testing::test_findings(2);
  for (const campaign::ModelResult& model : findings.plans[0].models)
    findings.artifacts.push_back(artifact_of(model, "cost", machine_of(5000)));
  const std::vector<Section> sections = build_sections(findings);
  const Figure* figure = find_figure(sections, "pareto-array");
  ASSERT_NE(figure, nullptr);
  ASSERT_EQ(figure->series.size(), 9u);
  EXPECT_EQ(figure->series.back().x.size(), 1u);
  std::set<std::string> names;
  for (const Series& series : figure->series) names.insert(series.name);
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ(figure->series[0].labels[0], "sgd-standard-seed1");
  EXPECT_NE(figure->series[0].style.hollow, figure->series[2].style.hollow);  // sgd-sparse
  const Figure* chip = find_figure(sections, "pareto-chip-array");
  ASSERT_NE(chip, nullptr);
  EXPECT_DOUBLE_EQ(chip->series[0].x[0], 4.9);  // nJ without DRAM
}

TEST(Artifacts, OfOneArmAndSeedKeepTheirNamesAndDiffer) {
  Findings findings = testing::test_findings();
  campaign::ModelResult model = findings.plans[0].models[0];
  for (const char* name : {"first", "second"}) {
    model.name = model.hash = name;
    findings.artifacts.push_back(artifact_of(model, "cost", machine_of(1)));
  }
  const auto artifacts = model_artifacts(findings, "cost");
  ASSERT_EQ(artifacts.size(), 2u);
  EXPECT_EQ(artifacts[0].arm, "first");
  EXPECT_NE(artifacts[0].style.colour, artifacts[1].style.colour);
}

TEST(Tuning, ShowsEveryCandidateAndTheChoice) {
  Findings findings = testing::test_findings();
  findings.artifacts.push_back(
      {"tuning", "study", nlohmann::json::parse(R"({"flatenn_result": "tuning", "hold_out": 5000,
        "rate": 0.03, "trials": 10, "seed": 7, "kinds": ["bit_flip"],
        "candidates": [
          {"arm": "saq-standard", "setting": "sharpness.rho=0.1", "faulty_accuracy": 0.8,
           "accuracy": 0.9, "sparsity": 0.5},
          {"arm": "saq-standard", "setting": "sharpness.rho=0.2", "faulty_accuracy": 0.7,
           "accuracy": 0.9, "sparsity": 0.5},
          {"arm": "sgd-standard", "setting": "a=1 b=1", "faulty_accuracy": 0.7,
           "accuracy": 0.9, "sparsity": 0.5},
          {"arm": "sgd-standard", "setting": "a=1 b=2", "faulty_accuracy": 0.8,
           "accuracy": 0.9, "sparsity": 0.5}],
        "chosen": {"saq-standard": ["sharpness.rho=0.1"], "sgd-standard": ["a=1", "b=2"]},
        "at_edge": {"saq-standard": ["sharpness.rho"]}, "diverged": ["sam-standard"]})")});
  const std::vector<Section> sections = build_sections(findings);
  const Table* table = find_table(sections, "tuning");
  ASSERT_NE(table, nullptr);
  std::vector<std::string> chosen;
  for (const auto& row : table->rows) chosen.push_back(std::get<std::string>(row[5]));
  EXPECT_THAT(chosen, ::testing::ElementsAre("yes", "", "", "yes"));
  EXPECT_THAT(table->caption,
              ::testing::HasSubstr("at the edge of what was tried: saq-standard, sharpness.rho."));
  EXPECT_THAT(table->caption, ::testing::HasSubstr("Every candidate of sam-standard diverged."));
  const Figure* figure = find_figure(sections, "tuning-saq-standard");
  ASSERT_NE(figure, nullptr);
  EXPECT_THAT(figure->x.categories,
              ::testing::ElementsAre("sharpness.rho", "accuracy under faults"));
  EXPECT_THAT(figure->series.at(0).y, ::testing::ElementsAre(0, 1));  // least rho, best score
  EXPECT_THAT(figure->series.at(1).y, ::testing::ElementsAre(1, 0));
  EXPECT_FALSE(figure->series.at(0).faint);
  EXPECT_TRUE(figure->series.at(1).faint);
}

/// Runs of saq that differ in rho alone, and the conventional one beside them.
Findings radius_findings(const std::vector<double>& radii) {
  Findings findings;
  findings.plans.push_back({.kinds = {"bit_flip"}, .levels = {{.rate = 0.01, .label = "0.01"}}});
  campaign::PlanResult& plan = findings.plans[0];
  for (const double rho : radii) {
    const std::string kind = rho > 0 ? "saq" : "sgd";
    Run run = testing::test_run(kind, /*sparse=*/false);
    run.name = kind + std::to_string(plan.models.size());
    run.record["config"]["name"] = run.name;
    run.record["config"]["seed"] = 1;
    run.record["config"]["sharpness"] = {{"rho", rho > 0 ? rho : 0.05}, {"eta", 0.01}};
    findings.runs.push_back(run);
    const auto model = static_cast<int64_t>(plan.models.size());
    plan.models.push_back({.name = run.name, .golden_accuracy = 0.9});
    plan.cells.push_back({.model = model,
                          .accuracy = {.count = 6},
                          .accuracies = std::vector<double>(6, 0.8 + rho)});
  }
  const auto models = static_cast<int64_t>(plan.models.size());
  for (int64_t b = 1; b < models; ++b) {
    for (int64_t a = 0; a < b; ++a)
      plan.pairs.push_back(campaign::compare_cells(*plan.cell(a, 0, 0), *plan.cell(b, 0, 0)));
  }
  return findings;
}

TEST(Radius, CurveHoldsNetworksThatDifferInRhoAloneByRisingRho) {
  Findings findings = radius_findings({0.05, 0, 0.02});
  report::Run other = findings.runs[0];  // of another learning rate: on no curve
  other.name = "other";
  other.record["config"]["optimizer"]["learning_rate"] = 0.1;
  findings.runs.push_back(other);
  const Section section = radius_section(findings);
  ASSERT_EQ(section.blocks.size(), 2U);
  const auto& table = std::get<Table>(section.blocks[0]);
  std::vector<std::string> runs;
  for (const auto& row : table.rows) runs.push_back(std::get<std::string>(row[1]));
  EXPECT_EQ(runs, (std::vector<std::string>{"sgd1", "saq2", "saq0"}));
  EXPECT_EQ(std::get<double>(table.rows[0][2]), 0);  // whatever its configuration says of rho
  const auto& figure = std::get<Figure>(section.blocks[1]);
  EXPECT_EQ(figure.x.categories, (std::vector<std::string>{"0", "0.02", "0.05"}));
  ASSERT_EQ(figure.series.size(), 2U);
  EXPECT_EQ(figure.series[0].y, (std::vector<double>{0, 0, 0}));
  EXPECT_THAT(figure.series[1].x, ::testing::ElementsAre(1, 2));
  EXPECT_THAT(figure.series[1].y, ::testing::Pointwise(::testing::DoubleNear(1e-9), {2.0, 5.0}));
}

TEST(Radius, FewerThanThreeMakeNoCurve) {
  EXPECT_TRUE(radius_section(radius_findings({0.05, 0})).blocks.empty());
  EXPECT_TRUE(radius_section(radius_findings({0.05, 0, 0.05})).blocks.empty());
}

}  // namespace
}  // namespace flatenn::report
