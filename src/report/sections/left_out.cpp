#include "report/sections.h"

namespace flatenn::report {

Section left_out_section(const Findings& findings) {
  Section section{.id = "left-out", .title = "Left out"};
  for (const std::string& what : findings.left_out) {
    section.blocks.emplace_back(Paragraph{.text = what, .warning = true});
  }
  return section;
}

}  // namespace flatenn::report
