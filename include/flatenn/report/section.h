#pragma once

#include <string>
#include <variant>
#include <vector>

#include "flatenn/report/figure.h"
#include "flatenn/report/findings.h"
#include "flatenn/report/table.h"

namespace flatenn::report {

/// Plain text that stands as a paragraph.
struct Paragraph {
  std::string text;
  bool warning = false;  ///< Set apart, with the word "Warning".
  bool lead = false;     ///< The page's answer: large.
};

/// A verdict on one claim, told at a glance.
struct Chip {
  std::string text;     ///< What is claimed and of whom.
  std::string verdict;  ///< "confirmed", "refuted", "undecided".
  std::string why;      ///< Why it is not decided; may be empty.
};
struct Chips {
  std::vector<Chip> chips;
};

/// A table of what each network tolerates, which the page computes again for the accuracy that its
/// reader asks for.
struct Designer {
  Table table;             ///< For the plan's tolerated drop.
  size_t plan = 0;         ///< Index into Findings::plans.
  double drop_points = 1;  ///< That drop, in points.
};

/// Text whose line breaks and spaces matter: commands, configurations.
struct Listing {
  std::string title;
  std::string text;
};

using Block = std::variant<Paragraph, Figure, HeatMap, Contour, Table, Listing, Chips, Designer>;

/// One part of the page. A section without blocks is left out.
struct Section {
  std::string id;
  std::string title;
  std::vector<Block> blocks;
};

/// Makes a section from what was found; the list of all stands in src/report/sections.inc, in page
/// order. A new section is a function of this type in a file of src/report/sections and a line
/// there.
using SectionBuilder = Section (*)(const Findings& findings);

/// All sections that have something to show.
std::vector<Section> build_sections(const Findings& findings);

}  // namespace flatenn::report
