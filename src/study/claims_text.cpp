#include <cstdio>

#include "flatenn/base/error.h"
#include "flatenn/study/claims.h"

namespace flatenn::study {
namespace {

constexpr int kCellWidth = 18;     ///< Of kind and rate.
constexpr int kMeasureWidth = 58;  ///< Of "energy on the chip: " and a machine.

std::string interval_text(const std::optional<campaign::Interval>& interval, double factor) {
  if (!interval) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "[%+.2f, %+.2f]", factor * interval->low,
                factor * interval->high);
  return text;
}

/// What the differences are multiplied by to be shown.
double shown_factor(const report::Claim& claim) { return claim.unit == "correlation" ? 1 : 100; }

/// "bit_flip      1 %", or what else is compared.
std::string cell_text(const report::Claim& claim) {
  char text[96];
  if (claim.measure.empty()) {
    std::snprintf(text, sizeof text, "%-10s %5.3g %%", claim.kind.c_str(), 100 * claim.rate);
  } else {
    std::snprintf(text, sizeof text, "%-*s", kMeasureWidth, claim.measure.c_str());
  }
  return text;
}

std::string row(const report::Claim& claim) {
  char text[320];
  const double factor = shown_factor(claim);
  const std::string reason = claim.verdict == "undecided" ? " (" + claim.reason + ")" : "";
  std::snprintf(text, sizeof text, "  %s  %5ld  %+8.2f  %-18s %-18s %s%s\n",
                cell_text(claim).c_str(), claim.seeds, factor * claim.difference,
                interval_text(claim.networks, factor).c_str(),
                interval_text(claim.method, factor).c_str(), claim.verdict.c_str(), reason.c_str());
  return text;
}

std::string columns(const report::Claim& claim) {
  char text[160];
  std::snprintf(text, sizeof text,
                "\n  %-*s  seeds  difference  %-18s over seeds         verdict\n",
                claim.measure.empty() ? kCellWidth : kMeasureWidth,
                claim.measure.empty() ? "faults       rate" : "measure",
                claim.unit == "correlation" ? "all networks" : "over maps");
  return text;
}

/// Who is compared, and in what.
std::string heading(const report::Claim& claim) {
  if (claim.unit == "percent")
    return detail::concat("\n", claim.statement, ": saving of ", claim.better, ", % of ",
                          claim.worse);
  if (claim.unit == "correlation")
    return detail::concat("\n", claim.statement, ": rank correlation over networks with what ",
                          claim.kind, " at ", 100 * claim.rate, " % costs");
  return detail::concat("\n", claim.statement, ": ", claim.better, " - ", claim.worse,
                        claim.published.empty() ? "" : "; published ", claim.published);
}

}  // namespace

std::string claims_text(const std::vector<report::Claim>& claims) {
  std::string text =
      "Claims of arXiv:2301.00675 as measured; differences in points of accuracy, 95 % intervals\n";
  std::string statement;
  for (const report::Claim& claim : claims) {
    if (claim.statement != statement) {
      statement = claim.statement;
      text += heading(claim) + columns(claim);
    }
    text += row(claim);
  }
  return text;
}

}  // namespace flatenn::study
