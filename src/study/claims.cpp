#include "flatenn/study/claims.h"

#include <algorithm>
#include <set>

#include "study/judgement.h"

namespace flatenn::study {
namespace {

using campaign::PlanResult;
using report::Claim;

/// accuracy(better) - accuracy(worse), or the same of what was lost against golden.
enum class Measure { kAccuracy, kLossOfAccuracy };

struct Question {
  const char* id;
  const char* statement;
  const char* published;
  const char* better;
  const char* worse;
  Measure measure;
};

constexpr const char* kSparseLoses = "up to 17.32 % (v1), 11.13 % (later version)";
constexpr const char* kSaqStandard = "up to 24.76 % (v1), 15.82 % (later version)";
constexpr const char* kSaqSparse = "up to 36.71 % (v1), 19.50 % (later version)";

constexpr Question kQuestions[] = {
    {"sparse-loses-more", "Sparse networks lose more under faults than standard ones", kSparseLoses,
     "sgd/standard", "sgd/sparse", Measure::kLossOfAccuracy},
    {"saq-gains-standard", "SAQ gains under faults, standard networks", kSaqStandard,
     "saq/standard", "sgd/standard", Measure::kAccuracy},
    {"saq-gains-sparse", "SAQ gains under faults, sparse networks", kSaqSparse, "saq/sparse",
     "sgd/sparse", Measure::kAccuracy},
    {"saq-sparse-beats-sgd-standard", "SAQ-trained sparse beats conventional standard", "",
     "saq/sparse", "sgd/standard", Measure::kAccuracy},
    {"saq-gains-standard-2x", "SAQ gains over twice the epochs, standard networks", "",
     "saq/standard", "sgd-2x/standard", Measure::kAccuracy},
    {"saq-gains-sparse-2x", "SAQ gains over twice the epochs, sparse networks", "", "saq/sparse",
     "sgd-2x/sparse", Measure::kAccuracy},
};

/// Model of an arm trained with a seed; -1: none.
int64_t find_model(const PlanResult& plan, const std::string& arm, int64_t seed) {
  for (size_t i = 0; i < plan.models.size(); ++i) {
    if (plan.models[i].arm() == arm && plan.models[i].training_seed() == seed)
      return static_cast<int64_t>(i);
  }
  return -1;
}

std::set<int64_t> seeds_of(const PlanResult& plan) {
  std::set<int64_t> seeds;
  for (const campaign::ModelResult& model : plan.models) {
    if (const auto seed = model.training_seed()) seeds.insert(*seed);
  }
  return seeds;
}

/// better - worse on common maps, of accuracy or of what is left after the fault-free one is off.
std::optional<campaign::PairResult> compared(const PlanResult& plan, const Question& question,
                                             int64_t better, int64_t worse, int64_t kind,
                                             int64_t level) {
  const campaign::CellResult* const a = plan.cell(worse, kind, level);
  const campaign::CellResult* const b = plan.cell(better, kind, level);
  if (a == nullptr || b == nullptr) return std::nullopt;
  campaign::PairResult pair = campaign::compare_cells(*a, *b);
  if (pair.trials == 0) return std::nullopt;
  if (question.measure == Measure::kLossOfAccuracy) {
    const double golden = plan.models[static_cast<size_t>(better)].golden_accuracy -
                          plan.models[static_cast<size_t>(worse)].golden_accuracy;
    pair.difference -= golden;
    pair.ci = {pair.ci.low - golden, pair.ci.high - golden};
  }
  return pair;
}

void add_seed(Measured& measured, const PlanResult& plan, const Question& question, int64_t seed,
              int64_t kind, int64_t level, const SparsityByModel& sparsity) {
  const int64_t better = find_model(plan, question.better, seed);
  const int64_t worse = find_model(plan, question.worse, seed);
  if (better < 0 || worse < 0) return;
  const auto pair = compared(plan, question, better, worse, kind, level);
  if (!pair) return;
  if (measured.by_seed.empty() && pair->trials > 1)  // one map has no interval
    measured.claim.networks = pair->ci;
  measured.by_seed.push_back(pair->difference);
  if (measured.mismatch.empty())
    measured.mismatch =
        sparsity_mismatch({question.better, plan.models[static_cast<size_t>(better)].name},
                          {question.worse, plan.models[static_cast<size_t>(worse)].name}, sparsity);
}

Measured measure(const PlanResult& plan, const Question& question, int64_t kind, int64_t level,
                 const SparsityByModel& sparsity) {
  Measured measured;
  measured.claim = {
      .id = question.id,
      .statement = question.statement,
      .published = question.published,
      .better = question.better,
      .worse = question.worse,
      .kind = plan.kinds[static_cast<size_t>(kind)],
      .rate = plan.levels[static_cast<size_t>(level)].rate,
      .quantity = question.measure == Measure::kLossOfAccuracy ? "accuracy kept" : "accuracy",
      .unit = "points"};
  for (const int64_t seed : seeds_of(plan))
    add_seed(measured, plan, question, seed, kind, level, sparsity);
  return measured;
}

template <typename Value, typename Items, typename Key>
int64_t position(const Items& items, const Value& value, Key key) {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const auto& item) { return key(item) == value; });
  return found == items.end() ? -1 : found - items.begin();
}

}  // namespace

std::vector<Claim> judge_claims(const PlanResult& plan, const Definition& definition,
                                const SparsityByModel& sparsity) {
  std::vector<Measured> all;
  for (const Question& question : kQuestions) {
    for (const std::string& kind_name : definition.claims.kinds) {
      for (const double rate : definition.claims.rates) {
        const int64_t kind =
            position(plan.kinds, kind_name, [](const std::string& name) { return name; });
        const int64_t level =
            position(plan.levels, rate, [](const campaign::Level& l) { return l.rate; });
        if (kind < 0 || level < 0) continue;
        all.push_back(measure(plan, question, kind, level, sparsity));
      }
    }
  }
  return judge_together(std::move(all), definition.min_seeds);
}

}  // namespace flatenn::study
