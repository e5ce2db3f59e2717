#include "flatenn/study/claims.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "flatenn/base/error.h"

namespace flatenn::study {
namespace {

using campaign::Interval;
using campaign::PlanResult;
using report::Claim;

constexpr double kSignificance = 0.05;
constexpr double kSparsityAgreement = 0.01;

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

/// Accuracy (or what is left after golden is taken off) of each fault map in one cell.
std::vector<double> values_of(const PlanResult& plan, int64_t model, int64_t kind, int64_t level,
                              Measure measure) {
  const campaign::CellResult* cell = plan.cell(model, kind, level);
  if (cell == nullptr) return {};
  std::vector<double> values = cell->accuracies;
  if (measure == Measure::kLossOfAccuracy) {
    for (double& value : values) value -= plan.models[static_cast<size_t>(model)].golden_accuracy;
  }
  return values;
}

std::vector<double> paired(const std::vector<double>& better, const std::vector<double>& worse) {
  std::vector<double> differences;
  for (size_t i = 0; i < std::min(better.size(), worse.size()); ++i)
    differences.push_back(better[i] - worse[i]);
  return differences;
}

/// Reports a comparison of sparse networks whose sparsity differs; empty where it does not.
std::string sparsity_mismatch(const std::string& better, const std::string& worse,
                              const SparsityByModel& sparsity) {
  const auto a = sparsity.find(better), b = sparsity.find(worse);
  if (a == sparsity.end() || b == sparsity.end()) return "";
  const double apart = std::abs(a->second - b->second);
  if (apart <= kSparsityAgreement) return "";
  char text[96];
  std::snprintf(text, sizeof text, "sparsity differs by %.1f points", 100 * apart);
  return text;
}

/// A claim in one cell, before Holm's correction.
struct Measured {
  Claim claim;
  std::vector<double> by_seed;
  std::string mismatch;
};

void add_seed(Measured& measured, const PlanResult& plan, const Question& question, int64_t seed,
              int64_t kind, int64_t level, const SparsityByModel& sparsity) {
  const int64_t better = find_model(plan, question.better, seed);
  const int64_t worse = find_model(plan, question.worse, seed);
  if (better < 0 || worse < 0) return;
  const std::vector<double> differences =
      paired(values_of(plan, better, kind, level, question.measure),
             values_of(plan, worse, kind, level, question.measure));
  if (differences.empty()) return;
  const campaign::Summary summary = campaign::summarize(differences);
  if (measured.by_seed.empty())
    measured.claim.networks = campaign::student_interval(summary.mean, summary.sd, summary.count);
  measured.by_seed.push_back(summary.mean);
  const bool both_sparse = std::string(question.better).ends_with("/sparse") &&
                           std::string(question.worse).ends_with("/sparse");
  if (both_sparse && measured.mismatch.empty())
    measured.mismatch = sparsity_mismatch(plan.models[static_cast<size_t>(better)].name,
                                          plan.models[static_cast<size_t>(worse)].name, sparsity);
}

Measured measure(const PlanResult& plan, const Question& question, int64_t kind, int64_t level,
                 const SparsityByModel& sparsity) {
  Measured measured;
  measured.claim = {.id = question.id,
                    .statement = question.statement,
                    .published = question.published,
                    .better = question.better,
                    .worse = question.worse,
                    .kind = plan.kinds[static_cast<size_t>(kind)],
                    .rate = plan.levels[static_cast<size_t>(level)].rate};
  for (const int64_t seed : seeds_of(plan))
    add_seed(measured, plan, question, seed, kind, level, sparsity);
  const campaign::Summary summary = campaign::summarize(measured.by_seed);
  measured.claim.seeds = summary.count;
  measured.claim.difference = summary.mean;
  if (summary.count >= 2) {
    measured.claim.method = campaign::student_interval(summary.mean, summary.sd, summary.count);
    measured.claim.p_value = campaign::student_p_value(measured.by_seed);
  }
  return measured;
}

bool one_sign(const std::vector<double>& values) {
  const auto positive = [](double value) { return value > 0; };
  const auto negative = [](double value) { return value < 0; };
  return std::all_of(values.begin(), values.end(), positive) ||
         std::all_of(values.begin(), values.end(), negative);
}

/// Why the claim is not decided; empty where it is.
std::string open_question(const Measured& measured, int64_t min_seeds) {
  const Claim& claim = measured.claim;
  if (claim.seeds < min_seeds)
    return detail::concat(claim.seeds, claim.seeds == 1 ? " seed" : " seeds", ", ", min_seeds,
                          " needed");
  if (!measured.mismatch.empty()) return measured.mismatch;
  if (!one_sign(measured.by_seed)) return "signs differ between seeds";
  if (claim.method->contains(0)) return "the interval over seeds holds 0";
  if (*claim.holm_p_value >= kSignificance) return "not significant after Holm's correction";
  return "";
}

void judge(Measured& measured, int64_t min_seeds) {
  Claim& claim = measured.claim;
  claim.reason = open_question(measured, min_seeds);
  if (!claim.reason.empty()) {
    claim.verdict = "undecided";
    return;
  }
  claim.verdict = claim.difference > 0 ? "confirmed" : "refuted";
  claim.reason = detail::concat(claim.seeds, " seeds of one sign");
}

void correct(std::vector<Measured>& all) {
  std::vector<double> p_values;
  for (const Measured& measured : all) p_values.push_back(measured.claim.p_value.value_or(1));
  const std::vector<double> adjusted = campaign::holm_adjusted(p_values);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].claim.p_value) all[i].claim.holm_p_value = adjusted[i];
  }
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
        Measured measured = measure(plan, question, kind, level, sparsity);
        if (measured.claim.seeds > 0) all.push_back(std::move(measured));
      }
    }
  }
  correct(all);
  std::vector<Claim> claims;
  for (Measured& measured : all) {
    judge(measured, definition.min_seeds);
    claims.push_back(std::move(measured.claim));
  }
  return claims;
}

}  // namespace flatenn::study
