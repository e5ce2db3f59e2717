#include "flatenn/study/claims.h"
#include "study/analysis_results.h"
#include "study/judgement.h"

namespace flatenn::study {
namespace {

using report::Claim;

struct CostQuestion {
  const char* id;
  const char* statement;
  const char* cheaper;
  const char* dearer;
  bool within_margin;
};

constexpr CostQuestion kCostQuestions[] = {
    {"sparsity-saves", "Sparsity saves energy and latency", "sgd/sparse", "sgd/standard", false},
    {"saq-keeps-saving", "SAQ-trained sparse networks keep what sparsity saves", "saq/sparse",
     "sgd/standard", false},
    {"saq-sparse-costs-no-more",
     "SAQ-trained sparse networks cost no more than conventional sparse", "saq/sparse",
     "sgd/sparse", true},
};

struct Price {
  const char* name;
  double (*read)(const nlohmann::json& machine);
};

constexpr Price kPrices[] = {
    {"energy", [](const nlohmann::json& m) { return m.at("total").at("energy_pj").get<double>(); }},
    {"energy on the chip",
     [](const nlohmann::json& m) {
       return m.at("total").at("compute_pj").get<double>() +
              m.at("total").at("buffer_pj").get<double>();
     }},
    {"latency", [](const nlohmann::json& m) { return m.at("latency_us").get<double>(); }},
};

/// One question, price and machine (by its place, which is the same for all networks).
Measured measure(const std::vector<NetworkResult>& results, const CostQuestion& question,
                 const Price& price, size_t machine, const SparsityByModel& sparsity) {
  Measured measured;
  const auto name = results.front().result->at(machine).at("hardware").get<std::string>();
  measured.claim = {.id = question.id,
                    .statement = question.statement,
                    .better = question.cheaper,
                    .worse = question.dearer,
                    .measure = std::string(price.name) + ": " + name,
                    .unit = "percent"};
  double sum = 0;
  for (const int64_t seed : seeds_of(results)) {
    const NetworkResult* cheaper = find_result(results, question.cheaper, seed);
    const NetworkResult* dearer = find_result(results, question.dearer, seed);
    if (cheaper == nullptr || dearer == nullptr) continue;
    const double high = price.read(dearer->result->at(machine));
    measured.by_seed.push_back(high - price.read(cheaper->result->at(machine)));
    sum += high;
    if (measured.mismatch.empty())
      measured.mismatch = sparsity_mismatch({question.cheaper, cheaper->name},
                                            {question.dearer, dearer->name}, sparsity);
  }
  express_relative(measured, sum);
  return measured;
}

}  // namespace

std::vector<Claim> judge_cost(const report::Findings& findings, const Definition& definition,
                              const SparsityByModel& sparsity) {
  const std::vector<NetworkResult> results = results_of(findings, "cost");
  std::vector<Measured> all;
  if (results.empty()) return {};
  for (const CostQuestion& question : kCostQuestions) {
    for (size_t machine = 0; machine < results.front().result->size(); ++machine) {
      for (const Price& price : kPrices) {
        all.push_back(measure(results, question, price, machine, sparsity));
        if (question.within_margin) all.back().margin = definition.cost_margin;
      }
    }
  }
  return judge_together(std::move(all), definition.min_seeds);
}

}  // namespace flatenn::study
