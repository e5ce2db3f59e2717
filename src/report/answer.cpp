#include "flatenn/report/answer.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "report/format.h"
#include "report/run_result.h"
#include "report/sections.h"
#include "report/telling_cell.h"

namespace flatenn::report {
namespace {

/// Differences smaller than this show as 0.0 points.
constexpr double kVisible = 0.0005;

std::string percent(double share) { return fixed(kPercent * share, 1) + " %"; }
std::string points(double share) { return counted(std::round(1000 * share) / 10, "point"); }

std::string interval_text(const campaign::Interval& interval) {
  return detail::concat("[", fixed(kPercent * interval.low, 1), ", ",
                        fixed(kPercent * interval.high, 1), "]");
}

/// "0.0026 (measured: between 0.001 and 0.01)", "less than 0.001", "at least 0.05".
std::string tolerable_words(const campaign::ToleranceResult& result) {
  if (result.below) return "less than " + short_number(result.rate) + ", the lowest measured";
  if (result.beyond) return "at least " + short_number(result.rate) + ", the highest measured";
  std::string text = "about " + short_number(result.rate) + " (surely ";
  if (!result.low_below) text += "at least " + short_number(result.ci.low);
  if (!result.low_below && !result.high_beyond) text += " and ";
  if (!result.high_beyond) text += "less than " + short_number(result.ci.high);
  if (result.low_below && result.high_beyond) return "about " + short_number(result.rate);
  return text + ")";
}

/// "It tolerates a bit error rate of ... for a loss of 1 point": of the kind it bears least.
std::string tolerance_sentence(const campaign::PlanResult& plan, int64_t model) {
  const campaign::ToleranceResult* least = nullptr;
  for (const campaign::ToleranceResult& result : plan.tolerances) {
    if (result.model != model) continue;
    if (least == nullptr || result.rate < least->rate) least = &result;
  }
  if (least == nullptr) return "";
  return detail::concat(
      " The ", plan.by_counts() ? "number of faults" : "bit error rate", " that costs at most ",
      counted(kPercent * plan.tolerated_drop, "point"), " is ", tolerable_words(*least),
      plan.kinds.size() > 1
          ? ", under " + kind_title(plan.kinds[static_cast<size_t>(least->kind)]) +
                ", the worst kind"
          : "",
      ".");
}

std::string of_one(const campaign::PlanResult& plan, const Arm& arm) {
  const TellingCell cell = telling_cell(plan);
  const double faulty = faulty_accuracy(plan, arm, cell);
  return detail::concat(arm.name, " keeps ", percent(faulty), " accuracy at ",
                        cell_words(plan, cell), ", ", percent(golden_accuracy(plan, arm)),
                        " without faults.", tolerance_sentence(plan, arm.models.front()));
}

/// Differences better - worse in one cell, one for each training seed that both have.
std::vector<campaign::PairResult> pairs_of(const campaign::PlanResult& plan, const Arm& better,
                                           const Arm& worse, const TellingCell& cell) {
  std::vector<campaign::PairResult> pairs;
  const auto seed = [&](int64_t model) {
    return plan.models[static_cast<size_t>(model)].training_seed().value_or(0);
  };
  for (const int64_t a : better.models) {
    for (const int64_t b : worse.models) {
      const bool single = better.models.size() == 1 && worse.models.size() == 1;
      if (!single && seed(a) != seed(b)) continue;
      const auto pair = oriented_pair(plan, a, b, static_cast<int64_t>(cell.kind),
                                      static_cast<int64_t>(cell.level));
      if (pair && pair->trials > 0) pairs.push_back(*pair);
    }
  }
  return pairs;
}

/// How sure the difference is, of these networks or of the way they were trained.
std::string certainty(const std::vector<campaign::PairResult>& pairs, bool trained_here) {
  if (pairs.empty()) return "They met no common fault maps: the difference has no interval.";
  if (pairs.size() > 1) {
    std::vector<double> values;
    for (const campaign::PairResult& pair : pairs) values.push_back(pair.difference);
    const Estimate estimate = over_models(values, {});
    const bool told = pairs.size() >= 3 && !estimate.interval.contains(0);
    return detail::concat("Over ", pairs.size(), " training seeds the 95 % interval is ",
                          interval_text(estimate.interval),
                          told ? "." : ": undecided; more seeds would tell.");
  }
  const campaign::PairResult& pair = pairs.front();
  const std::string maps =
      detail::concat(interval_text(pair.ci), " points over ", pair.trials, " common fault maps");
  if (pair.ci.contains(0))
    return "These two networks differ by " + maps + ": undecided; more trials would tell.";
  if (!trained_here) return "These two networks differ by " + maps + ".";
  return "These two networks differ by " + maps +
         "; one training seed leaves the method undecided: for a verdict run flatenn study "
         "--seeds 5.";
}

/// " and costs 1.3 points without faults".
std::string price_words(double golden_difference) {
  if (std::abs(golden_difference) < kVisible) return " and costs nothing without faults";
  if (golden_difference > 0)
    return " and has " + points(golden_difference) + " more without faults";
  return " and costs " + points(-golden_difference) + " without faults";
}

std::string of_several(const campaign::PlanResult& plan, const std::vector<Arm>& arms) {
  const TellingCell cell = telling_cell(plan);
  std::vector<size_t> order;
  for (size_t i = 0; i < arms.size(); ++i) {
    if (std::isfinite(faulty_accuracy(plan, arms[i], cell))) order.push_back(i);
  }
  const auto kept = [&](size_t arm) { return faulty_accuracy(plan, arms[arm], cell); };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return kept(a) > kept(b); });
  if (order.size() < 2) return of_one(plan, arms[order.empty() ? 0 : order.front()]);
  const size_t best = order.front();
  const bool wins = best == baseline_of(arms);
  const size_t other = wins ? order[1] : baseline_of(arms);
  const bool compared = std::isfinite(kept(other));
  const size_t against = compared ? other : order[1];
  const double gain = kept(best) - kept(against);
  const bool trained = !arms[best].recipe.empty() && !arms[against].recipe.empty();
  return detail::concat(
      arms[best].name, " keeps ", percent(kept(best)), " accuracy at ", cell_words(plan, cell),
      ", ", gain < kVisible ? "no more" : points(gain) + " more", " than ", arms[against].name,
      wins ? ", the next best," : "",
      price_words(golden_accuracy(plan, arms[best]) - golden_accuracy(plan, arms[against])), ". ",
      certainty(pairs_of(plan, arms[best], arms[against], cell), trained));
}

/// Single faults: what share matters, and where.
std::string of_single_faults(const campaign::PlanResult& plan) {
  const campaign::StratumResult* worst = nullptr;
  int64_t tried = 0, critical = 0;
  for (const campaign::StratumResult& stratum : plan.strata) {
    if (stratum.bit < 0 || stratum.tried == 0) continue;
    tried += stratum.tried;
    critical += stratum.critical;
    if (worst == nullptr || stratum.share > worst->share) worst = &stratum;
  }
  if (worst == nullptr) return "No trial is finished yet.";
  if (critical == 0) return detail::concat("None of ", tried, " single faults changes an answer.");
  return detail::concat(
      critical, " of ", tried, " single faults change an answer. Most do so in bit ", worst->bit,
      " of layer ", worst->layer_name, " of ", plan.models[static_cast<size_t>(worst->model)].name,
      ": ", percent(worst->share), " ", interval_text(worst->ci), ".");
}

bool has_trials(const campaign::PlanResult& plan) {
  return std::any_of(plan.cells.begin(), plan.cells.end(),
                     [](const campaign::CellResult& cell) { return cell.accuracy.count > 0; });
}

/// What is missing where no cell has an interval.
std::string single_map_sentence(const campaign::PlanResult& plan) {
  const bool single =
      std::all_of(plan.cells.begin(), plan.cells.end(),
                  [](const campaign::CellResult& cell) { return cell.accuracy.count <= 1; });
  return single ? " One fault map a cell tells no interval." : "";
}

/// What a file of one share leaves out, and how to get it.
std::string share_sentence(const campaign::PlanResult& plan) {
  if (!plan.share) return "";
  return detail::concat(" This is share ", plan.share->index, " of ", plan.share->of,
                        " alone; flatenn merge joins all of them.");
}

std::string of_runs(const std::vector<Run>& runs) {
  const Run* best = nullptr;
  for (const Run& run : runs) {
    const double accuracy = number_of(run, "accuracy");
    if (!std::isfinite(accuracy)) continue;
    if (best == nullptr || accuracy > number_of(*best, "accuracy")) best = &run;
  }
  if (best == nullptr) return "";
  return detail::concat(best->name, " reaches ", percent(number_of(*best, "accuracy")),
                        runs.size() > 1 ? " accuracy, the most of " : " accuracy",
                        runs.size() > 1 ? std::to_string(runs.size()) + " trainings" : "",
                        "; what faults cost is not measured yet (flatenn campaign).");
}

}  // namespace

std::string answer_of(const campaign::PlanResult& plan) {
  if (plan.single_fault) return of_single_faults(plan) + share_sentence(plan);
  if (!has_trials(plan)) {
    return (plan.share ? "No cell can be told from these trials." : "No trial is finished yet.") +
           share_sentence(plan);
  }
  const std::vector<Arm> arms = arms_of(plan);
  return (arms.size() == 1 ? of_one(plan, arms.front()) : of_several(plan, arms)) +
         single_map_sentence(plan) + share_sentence(plan);
}

std::string verdicts_of(const std::vector<Claim>& claims) {
  if (claims.empty()) return "";
  const auto count = [&](const char* verdict) {
    return std::count_if(claims.begin(), claims.end(),
                         [&](const Claim& claim) { return claim.verdict == verdict; });
  };
  return detail::concat("Claims: ", count("confirmed"), " confirmed, ", count("refuted"),
                        " refuted, ", count("undecided"), " undecided.");
}

std::vector<std::string> answers_of(const Findings& findings) {
  std::vector<std::string> answers;
  for (const campaign::PlanResult& plan : findings.plans)
    answers.push_back(plan_prefix(findings, plan) + answer_of(plan));
  if (findings.plans.empty()) {
    const std::string runs = of_runs(findings.runs);
    if (!runs.empty()) answers.push_back(runs);
  }
  const std::string verdicts = verdicts_of(findings.claims);
  if (!verdicts.empty()) answers.push_back(verdicts);
  return answers;
}

}  // namespace flatenn::report
