#include "flatenn/report/answer.h"

#include <algorithm>

#include "report/hero.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

/// One chip a claim and comparison, over the cells that were fixed for it beforehand: confirmed or
/// refuted where all of them are, else undecided with how many are what.
Chips chips_of(const std::vector<Claim>& claims) {
  struct Group {
    Chip chip;
    int64_t confirmed = 0, refuted = 0, undecided = 0;
  };
  std::vector<Group> groups;
  for (const Claim& claim : claims) {
    const std::string text = claim.unit == "correlation"
                                 ? claim.statement
                                 : claim.statement + " (" + arm_title(claim.better) + " against " +
                                       arm_title(claim.worse) + ")";
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& other) { return other.chip.text == text; });
    if (group == groups.end()) group = groups.insert(group, {.chip = {.text = text}});
    ++(claim.verdict == "confirmed" ? group->confirmed
       : claim.verdict == "refuted" ? group->refuted
                                    : group->undecided);
    if (claim.verdict != "confirmed" && claim.verdict != "refuted" && group->chip.why.empty())
      group->chip.why = claim.reason;
  }
  Chips chips;
  for (Group& group : groups) {
    const int64_t all = group.confirmed + group.refuted + group.undecided;
    Chip& chip = group.chip;
    chip.verdict = group.confirmed == all ? "confirmed"
                   : group.refuted == all ? "refuted"
                                          : "undecided";
    if (chip.verdict == "undecided" && group.undecided < all) {
      chip.why = std::to_string(group.confirmed) + " of " + std::to_string(all) +
                 " cells confirmed, " + std::to_string(group.refuted) + " refuted" +
                 (chip.why.empty() ? "" : "; else " + chip.why);
    }
    chips.chips.push_back(std::move(chip));
  }
  return chips;
}

}  // namespace

Section answer_section(const Findings& findings) {
  Section section{.id = "answer", .title = "The answer"};
  for (const std::string& sentence : answers_of(findings)) {
    if (sentence != verdicts_of(findings.claims))
      section.blocks.emplace_back(Paragraph{.text = sentence, .lead = true});
  }
  if (!findings.claims.empty()) section.blocks.emplace_back(chips_of(findings.claims));
  for (const campaign::PlanResult& plan : findings.plans) {
    std::optional<Figure> hero = hero_figure(findings, plan);
    if (!hero) continue;
    section.blocks.emplace_back(std::move(*hero));
    break;  // one chart; the others stand below
  }
  return section;
}

}  // namespace flatenn::report
