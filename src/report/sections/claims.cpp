#include <algorithm>
#include <limits>

#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPoints = 100;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::string interval_text(const std::optional<campaign::Interval>& interval) {
  if (!interval) return "";
  return "[" + fixed(kPoints * interval->low, 2) + ",\u00a0" + fixed(kPoints * interval->high, 2) +
         "]";
}

std::vector<Field> claim_row(const Claim& claim) {
  return {claim.statement,
          claim.better + " − " + claim.worse,
          kind_title(claim.kind),
          rate_percent(claim.rate),
          static_cast<double>(claim.seeds),
          kPoints * claim.difference,
          interval_text(claim.networks),
          interval_text(claim.method),
          claim.holm_p_value.value_or(kNone),
          claim.verdict,
          claim.reason};
}

}  // namespace

Section claims_section(const Findings& findings) {
  Section section{.id = "claims", .title = "Claims, as measured"};
  if (findings.claims.empty()) return section;
  Table table{.id = "claims",
              .title = "Claims of arXiv:2301.00675, as measured here",
              .caption =
                  "Differences in points of accuracy. \"Confirmed\" and \"refuted\" need "
                  "differences of one sign over enough training seeds and a 95 % interval "
                  "over seeds without 0 that survives Holm's correction; all else is "
                  "undecided. The interval over maps speaks of the first seed's two "
                  "networks alone.",
              .columns = {{"Claim", 0, "claim"},
                          {"Compared", 0, "compared"},
                          {"Faults", 0, "kind"},
                          {"Rate", 0, "bit_error_rate"},
                          {"Seeds", 0, "seeds"},
                          {"Difference", 2, "difference_points"},
                          {"over maps", 0, "interval_over_maps"},
                          {"over seeds", 0, "interval_over_seeds"},
                          {"p (Holm)", 4, "holm_p_value"},
                          {"Verdict", 0, "verdict"},
                          {"Because", 0, "reason"}}};
  for (const Claim& claim : findings.claims) table.rows.push_back(claim_row(claim));
  section.blocks.emplace_back(std::move(table));
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
