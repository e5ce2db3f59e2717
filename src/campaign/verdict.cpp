#include "flatenn/campaign/verdict.h"

#include <algorithm>

namespace flatenn::campaign {
namespace {

constexpr double kSignificance = 0.05;

Verdict decide(const Claim& claim, const Judgement& judgement, int64_t least_seeds) {
  const auto& differences = claim.seed_differences;
  const bool enough = judgement.seeds >= least_seeds && !judgement.ci.contains(0) &&
                      judgement.holm_p_value < kSignificance;
  const auto all = [&](auto predicate) {
    return std::all_of(differences.begin(), differences.end(), predicate);
  };
  if (enough && all([](double d) { return d > 0; })) return Verdict::kConfirmed;
  if (enough && all([](double d) { return d < 0; })) return Verdict::kRefuted;
  return Verdict::kUndecided;
}

}  // namespace

std::string to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kConfirmed:
      return "confirmed";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kUndecided:
      return "undecided";
  }
  return "";
}

std::vector<Judgement> judge(std::span<const Claim> claims, int64_t least_seeds) {
  std::vector<Judgement> judgements;
  std::vector<double> p_values;
  for (const Claim& claim : claims) {
    const Summary summary = summarize(claim.seed_differences);
    judgements.push_back({.name = claim.name,
                          .seeds = summary.count,
                          .mean = summary.mean,
                          .ci = student_interval(summary.mean, summary.sd, summary.count),
                          .p_value = student_p_value(claim.seed_differences)});
    p_values.push_back(judgements.back().p_value);
  }
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (size_t i = 0; i < judgements.size(); ++i) {
    judgements[i].holm_p_value = adjusted[i];
    judgements[i].verdict = decide(claims[i], judgements[i], least_seeds);
  }
  return judgements;
}

}  // namespace flatenn::campaign
