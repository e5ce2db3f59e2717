#include <cstdio>

#include "flatenn/study/claims.h"

namespace flatenn::study {
namespace {

std::string interval_text(const std::optional<campaign::Interval>& interval) {
  if (!interval) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "[%+.2f, %+.2f]", 100 * interval->low, 100 * interval->high);
  return text;
}

std::string row(const report::Claim& claim) {
  char text[256];
  const std::string reason = claim.verdict == "undecided" ? " (" + claim.reason + ")" : "";
  std::snprintf(text, sizeof text, "  %-10s %5.3g %%  %5ld  %+8.2f  %-18s %-18s %s%s\n",
                claim.kind.c_str(), 100 * claim.rate, claim.seeds, 100 * claim.difference,
                interval_text(claim.networks).c_str(), interval_text(claim.method).c_str(),
                claim.verdict.c_str(), reason.c_str());
  return text;
}

}  // namespace

std::string claims_text(const std::vector<report::Claim>& claims) {
  std::string text =
      "Claims of arXiv:2301.00675 as measured; differences in points of accuracy, 95 % intervals\n";
  std::string statement;
  for (const report::Claim& claim : claims) {
    if (claim.statement != statement) {
      statement = claim.statement;
      text += "\n" + statement + ": " + claim.better + " - " + claim.worse +
              (claim.published.empty() ? "" : "; published " + claim.published) +
              "\n  faults       rate    seeds  difference  over maps          over seeds         "
              "verdict\n";
    }
    text += row(claim);
  }
  return text;
}

}  // namespace flatenn::study
