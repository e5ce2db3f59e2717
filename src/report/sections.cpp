#include "report/sections.h"

namespace flatenn::report {

std::vector<Section> build_sections(const Findings& findings) {
  static constexpr SectionBuilder kBuilders[] = {
#define FLATENN_SECTION(name) &name,
#include "report/sections.inc"
#undef FLATENN_SECTION
  };
  std::vector<Section> sections;
  for (const SectionBuilder build : kBuilders) {
    Section section = build(findings);
    if (!section.blocks.empty()) sections.push_back(std::move(section));
  }
  return sections;
}

Axis level_axis(const campaign::PlanResult& plan) {
  return {
      .title = plan.by_counts() ? "Faulty bits (count)" : "Bit error rate (share of stored bits)",
      .log = true};
}

}  // namespace flatenn::report
