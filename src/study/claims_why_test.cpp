#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "flatenn/study/claims.h"
#include "study/analysis_results.h"

namespace flatenn::study {
namespace {

using nlohmann::json;

struct Network {
  std::string recipe, activation;
  int64_t seed;
  double sharpness;  ///< Every number of it.
  double loss;       ///< Accuracy lost to bit flips at 1 %.
  double energy;
};

report::Artifact artifact(const Network& network, const std::string& kind, const json& result,
                          const json& settings) {
  const std::string name =
      network.recipe + "-" + network.activation + "-seed" + std::to_string(network.seed);
  return {kind,
          name,
          {{"model", name},
           {"model_hash", "hash of " + name},
           {"metadata",
            {{"recipe", network.recipe},
             {"activation", network.activation},
             {"seed", std::to_string(network.seed)}}},
           {"settings", settings},
           {"result", result}}};
}

json sharpness_result(double value) {
  return {{"radii", {{{"rho", 0.1}, {"one_step", value}}}},
          {"noise", {{"rise", {{"mean", value}}}}},
          {"bit_errors", {{"rise", value}}}};
}

json cost_result(double energy) {
  return json::array(
      {{{"hardware", "array"},
        {"latency_us", 7.0},
        {"total", {{"energy_pj", energy}, {"compute_pj", energy}, {"buffer_pj", 0.0}}}}});
}

/// A made-up study: findings and the campaign's plan.
struct Study {
  report::Findings findings;
  campaign::PlanResult plan{.kinds = {"bit_flip"}};
  Definition definition{.min_seeds = 3};

  explicit Study(const std::vector<Network>& networks) {
    plan.levels = {{.rate = 0.01, .label = "0.01"}};
    for (const Network& network : networks) {
      findings.artifacts.push_back(
          artifact(network, "sharpness", sharpness_result(network.sharpness), {{"images", 1000}}));
      findings.artifacts.push_back(
          artifact(network, "cost", cost_result(network.energy), {{"images", 0}}));
      campaign::CellResult cell{.model = static_cast<int64_t>(plan.models.size())};
      cell.accuracies = {0.9 - network.loss, 0.9 - network.loss};
      cell.accuracy = campaign::summarize(cell.accuracies);
      plan.cells.push_back(cell);
      const json& content = findings.artifacts.back().content;
      plan.models.push_back(
          {.name = content["model"], .hash = content["model_hash"], .golden_accuracy = 0.9});
    }
  }
};

/// Four arms, three seeds: sharper networks lose more, SAQ is flatter, sparse ones are cheaper.
std::vector<Network> agreeing() {
  std::vector<Network> networks;
  for (int64_t seed = 1; seed <= 3; ++seed) {
    const double s = 0.001 * static_cast<double>(seed);
    networks.push_back({"sgd", "standard", seed, 0.4 + s, 0.04, 100});
    networks.push_back({"saq", "standard", seed, 0.2 + 2 * s, 0.02, 101});
    networks.push_back({"sgd", "sparse", seed, 0.8 + s, 0.08, 50 + 100 * s});
    networks.push_back({"saq", "sparse", seed, 0.3 + s, 0.03, 51 + 100 * s});
  }
  return networks;
}

const report::Claim& find(const std::vector<report::Claim>& claims, const std::string& id,
                          const std::string& measure) {
  for (const report::Claim& claim : claims) {
    if (claim.id == id && claim.measure == measure) return claim;
  }
  throw std::runtime_error("no claim " + id + ", " + measure);
}

TEST(FlatnessClaims, CorrelateSharpnessWithTheAccuracyLost) {
  const Study study(agreeing());
  const auto claims = judge_flatness(study.findings, study.plan, study.definition);
  const report::Claim& claim = find(claims, "sharper-loses-more", "Rise, one SAM step");
  EXPECT_EQ(claim.difference, 1);
  EXPECT_EQ(claim.seeds, 3);
  EXPECT_EQ(claim.verdict, "confirmed");
  EXPECT_GT(claim.networks->low, 0.5);  // over all 12 networks
  EXPECT_LT(claim.networks->low, 1);
}

TEST(FlatnessClaims, CompareSaqWithSgdRelativeToSgd) {
  const Study study(agreeing());
  const auto claims = judge_flatness(study.findings, study.plan, study.definition);
  const report::Claim& claim = find(claims, "saq-flatter-standard", "Rise, Gaussian noise");
  EXPECT_NEAR(claim.difference, (0.402 - 0.204) / 0.402, 1e-9);
  EXPECT_EQ(claim.verdict, "confirmed");
  EXPECT_EQ(claim.unit, "percent");
  // Eigenvalues were not measured: no claim tells of them.
  EXPECT_THROW(find(claims, "saq-flatter-standard", "Largest eigenvalue"), std::runtime_error);
}

TEST(FlatnessClaims, AreRefutedWhereFlatterNetworksLoseMore) {
  std::vector<Network> networks = agreeing();
  for (Network& network : networks) network.loss = 0.1 - network.loss;
  const Study study(networks);
  const auto claims = judge_flatness(study.findings, study.plan, study.definition);
  EXPECT_EQ(find(claims, "sharper-loses-more", "Rise, one SAM step").verdict, "refuted");
}

TEST(FlatnessClaims, SaysNothingOfACorrelationOverThreeNetworks) {
  std::vector<Network> networks = agreeing();
  std::erase_if(networks,
                [](const Network& n) { return n.recipe == "saq" && n.activation == "sparse"; });
  const Study study(networks);
  for (const report::Claim& claim : judge_flatness(study.findings, study.plan, study.definition))
    EXPECT_NE(claim.id, "sharper-loses-more");
}

TEST(CostClaims, TellWhatSparsitySavesAndWhatSaqKeeps) {
  const Study study(agreeing());
  const auto claims = judge_cost(study.findings, study.definition, {});
  const report::Claim& saves = find(claims, "sparsity-saves", "energy: array");
  EXPECT_NEAR(saves.difference, (100 - 50.2) / 100, 1e-9);
  EXPECT_EQ(saves.verdict, "confirmed");
  EXPECT_EQ(find(claims, "saq-keeps-saving", "energy: array").verdict, "confirmed");
  // 2 % more than conventional sparse networks: within the margin of 5 %.
  EXPECT_EQ(find(claims, "saq-sparse-costs-no-more", "energy: array").verdict, "confirmed");
  EXPECT_EQ(find(claims, "sparsity-saves", "latency: array").reason, "no difference");
}

TEST(CostClaims, AreUndecidedWhereSparsityDiffers) {
  const Study study(agreeing());
  SparsityByModel sparsity;
  for (int64_t seed = 1; seed <= 3; ++seed) {
    sparsity["saq-sparse-seed" + std::to_string(seed)] = 0.85;
    sparsity["sgd-sparse-seed" + std::to_string(seed)] = 0.82;
  }
  const auto claims = judge_cost(study.findings, study.definition, sparsity);
  EXPECT_EQ(find(claims, "saq-sparse-costs-no-more", "energy: array").reason,
            "sparsity differs by 3.0 points");
  EXPECT_EQ(find(claims, "sparsity-saves", "energy: array").verdict, "confirmed");
}

TEST(AnalysisResults, AreThoseMadeInTheWayOfMostNetworks) {
  Study study(agreeing());
  const Network odd{"sam", "standard", 1, 0.1, 0.1, 1};
  study.findings.artifacts.insert(
      study.findings.artifacts.begin(),
      artifact(odd, "sharpness", sharpness_result(0.1), {{"images", 7}}));
  const auto results = results_of(study.findings, "sharpness");
  EXPECT_EQ(results.size(), 12u);
  EXPECT_EQ(find_result(results, "sam/standard", 1), nullptr);
  EXPECT_EQ(find_result(results, "saq/sparse", 3)->name, "saq-sparse-seed3");
}

}  // namespace
}  // namespace flatenn::study
