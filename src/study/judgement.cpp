#include "study/judgement.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "flatenn/base/error.h"

namespace flatenn::study {
namespace {

using report::Claim;

constexpr double kSignificance = 0.05;
constexpr double kSparsityAgreement = 0.01;

/// By how much each seed's difference is above what the claim allows.
std::vector<double> beyond_margin(const Measured& measured) {
  std::vector<double> values = measured.by_seed;
  for (double& value : values) value += measured.margin;
  return values;
}

void summarize_seeds(Measured& measured) {
  const campaign::Summary summary = campaign::summarize(measured.by_seed);
  measured.claim.seeds = summary.count;
  measured.claim.difference = summary.mean;
  if (summary.count < 2) return;
  measured.claim.method = campaign::student_interval(summary.mean, summary.sd, summary.count);
  measured.claim.p_value = campaign::student_p_value(beyond_margin(measured));
}

void correct(std::vector<Measured>& all) {
  std::vector<double> p_values;
  for (const Measured& measured : all) p_values.push_back(measured.claim.p_value.value_or(1));
  const std::vector<double> adjusted = campaign::holm_adjusted(p_values);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].claim.p_value) all[i].claim.holm_p_value = adjusted[i];
  }
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
  const std::vector<double> beyond = beyond_margin(measured);
  if (std::all_of(beyond.begin(), beyond.end(), [](double value) { return value == 0; }))
    return "no difference";
  if (!one_sign(beyond)) return "signs differ between seeds";
  if (claim.method->contains(-measured.margin))
    return measured.margin > 0 ? "the interval over seeds holds the margin"
                               : "the interval over seeds holds 0";
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
  claim.verdict = claim.difference > -measured.margin ? "confirmed" : "refuted";
  claim.reason = detail::concat(claim.seeds, " seeds of one sign");
}

bool is_sparse(const std::string& arm) { return arm.ends_with("/sparse"); }

}  // namespace

std::string sparsity_mismatch(const ArmNetwork& better, const ArmNetwork& worse,
                              const SparsityByModel& sparsity) {
  if (!is_sparse(better.arm) || !is_sparse(worse.arm)) return "";
  const auto a = sparsity.find(better.network), b = sparsity.find(worse.network);
  if (a == sparsity.end() || b == sparsity.end()) return "";
  const double apart = std::abs(a->second - b->second);
  if (apart <= kSparsityAgreement) return "";
  char text[96];
  std::snprintf(text, sizeof text, "sparsity differs by %.1f points", 100 * apart);
  return text;
}

void express_relative(Measured& measured, double sum_of_compared) {
  const double mean = sum_of_compared / static_cast<double>(measured.by_seed.size());
  if (mean == 0) measured.by_seed.clear();
  for (double& value : measured.by_seed) value /= std::abs(mean);
}

std::vector<Claim> judge_together(std::vector<Measured> all, int64_t min_seeds) {
  std::erase_if(all, [](const Measured& measured) { return measured.by_seed.empty(); });
  for (Measured& measured : all) summarize_seeds(measured);
  correct(all);
  std::vector<Claim> claims;
  for (Measured& measured : all) {
    judge(measured, min_seeds);
    claims.push_back(std::move(measured.claim));
  }
  return claims;
}

}  // namespace flatenn::study
