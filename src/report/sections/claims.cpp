#include <algorithm>

#include "flatenn/base/error.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

/// What a claim's numbers are multiplied by to be shown.
double factor_of(const Claim& claim) { return claim.unit == "correlation" ? 1 : kPercent; }

std::string interval_text(const Claim& claim, const std::optional<campaign::Interval>& interval) {
  if (!interval) return "";
  const double factor = factor_of(claim);
  return detail::concat("[", fixed(factor * interval->low, 2), ",\u00a0",
                        fixed(factor * interval->high, 2), "]");
}

std::vector<Field> accuracy_row(const Claim& claim) {
  return {claim.statement,
          arm_title(claim.better) + " − " + arm_title(claim.worse),
          claim.quantity,
          kind_title(claim.kind),
          rate_percent(claim.rate),
          static_cast<double>(claim.seeds),
          kPercent * claim.difference,
          interval_text(claim, claim.networks),
          interval_text(claim, claim.method),
          claim.holm_p_value.value_or(kNoNumber),
          claim.verdict,
          claim.reason};
}

Table accuracy_table() {
  return {.id = "claims",
          .title = "Claims of arXiv:2301.00675, as measured here",
          .caption =
              "Differences in points, the first network less the second, of accuracy under "
              "faults, or of the accuracy kept: that under faults less the fault-free one. "
              "\"Confirmed\" and \"refuted\" need "
              "differences of one sign over enough training seeds and a 95 % interval "
              "over seeds without 0 that survives Holm's correction; all else is "
              "undecided. The interval over maps speaks of the first seed's two "
              "networks alone.",
          .columns = {{"Claim", 0, "claim"},
                      {"Compared", 0, "compared"},
                      {"Quantity", 0, "quantity"},
                      {"Faults", 0, "kind"},
                      {"Rate", 0, "bit_error_rate"},
                      {"Seeds", 0, "seeds"},
                      {"Difference", 2, "difference_points"},
                      {"over maps", 0, "interval_over_maps"},
                      {"over seeds", 0, "interval_over_seeds"},
                      {"p (Holm)", 4, "holm_p_value"},
                      {"Verdict", 0, "verdict"},
                      {"Because", 0, "reason"}},
          .rows = {}};
}

/// "saq/sparse against sgd/sparse, %", or what a correlation runs over.
std::string compared(const Claim& claim) {
  if (claim.unit == "correlation")
    return detail::concat("rank correlation with what ", kind_title(claim.kind), " cost at ",
                          rate_percent(claim.rate));
  return detail::concat(claim.better, " against ", claim.worse, ", % saved");
}

std::vector<Field> other_row(const Claim& claim) {
  return {claim.statement,
          compared(claim),
          claim.measure,
          static_cast<double>(claim.seeds),
          factor_of(claim) * claim.difference,
          interval_text(claim, claim.networks),
          interval_text(claim, claim.method),
          claim.holm_p_value.value_or(kNoNumber),
          claim.verdict,
          claim.reason};
}

Table other_table() {
  return {.id = "claims-why",
          .title = "Flatness and cost: does the explanation hold, and is the benefit kept?",
          .caption =
              "Judged as above, flatness and cost as groups of their own. Savings are in "
              "percent of the mean of the network compared with; a positive one favours "
              "the claim. Correlations are Spearman's over the networks of each seed, "
              "mean over seeds; the interval over networks takes all seeds together.",
          .columns = {{"Claim", 0, "claim"},
                      {"Compared", 0, "compared"},
                      {"Measure", 0, "measure"},
                      {"Seeds", 0, "seeds"},
                      {"Value", 2, "value"},
                      {"over networks", 0, "interval_over_networks"},
                      {"over seeds", 0, "interval_over_seeds"},
                      {"p (Holm)", 4, "holm_p_value"},
                      {"Verdict", 0, "verdict"},
                      {"Because", 0, "reason"}},
          .rows = {}};
}

/// How often each claim was confirmed, refuted or left open, over its cells or measures.
Table verdict_table(const std::vector<Claim>& claims) {
  Table table{.id = "verdicts",
              .title = "Verdicts",
              .caption =
                  "Over the cells (kind of fault and rate) or measures fixed beforehand for each "
                  "claim, which stand below.",
              .columns = {{"Claim", 0, "claim"},
                          {"Compared", 0, "compared"},
                          {"Confirmed", 0, "confirmed"},
                          {"Refuted", 0, "refuted"},
                          {"Undecided", 0, "undecided"}},
              .rows = {}};
  for (const Claim& claim : claims) {
    const std::string who = claim.unit == "correlation"
                                ? "all networks"
                                : arm_title(claim.better) + " − " + arm_title(claim.worse);
    const auto same = [&](const std::vector<Field>& row) {
      return std::get<std::string>(row[0]) == claim.statement &&
             std::get<std::string>(row[1]) == who;
    };
    auto row = std::find_if(table.rows.begin(), table.rows.end(), same);
    if (row == table.rows.end()) row = table.rows.insert(row, {claim.statement, who, 0., 0., 0.});
    const size_t column = claim.verdict == "confirmed" ? 2 : claim.verdict == "refuted" ? 3 : 4;
    std::get<double>((*row)[column]) += 1;
  }
  return table;
}

}  // namespace

Section claims_section(const Findings& findings) {
  Section section{.id = "claims", .title = "Claims, as measured"};
  if (!findings.claims.empty()) section.blocks.emplace_back(verdict_table(findings.claims));
  Table accuracy = accuracy_table(), other = other_table();
  for (const Claim& claim : findings.claims) {
    if (claim.measure.empty()) {
      accuracy.rows.push_back(accuracy_row(claim));
    } else {
      other.rows.push_back(other_row(claim));
    }
  }
  for (Table* table : {&accuracy, &other}) {
    if (!table->rows.empty()) section.blocks.emplace_back(std::move(*table));
  }
  std::vector<std::string> quoted;
  for (const Claim& claim : findings.claims) {
    const std::string text = claim.statement + ": published " + claim.published + ".";
    if (claim.published.empty() || std::find(quoted.begin(), quoted.end(), text) != quoted.end())
      continue;
    quoted.push_back(text);
    section.blocks.emplace_back(Paragraph{.text = text});
  }
  return section;
}

}  // namespace flatenn::report
