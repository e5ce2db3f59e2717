#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "flatenn/report/findings.h"
#include "flatenn/report/section.h"

namespace flatenn::report {

/// One self-contained page: styles, scripts, figures and numbers inside, nothing loaded from
/// elsewhere. Equal findings give equal bytes. The numbers stand again as JSON in the element
/// "flatenn-data" (findings_to_json).
std::string render_page(const Findings& findings);

/// {"plans": [...], "runs": [...], "claims": [...]}, every number with all its digits.
nlohmann::json findings_to_json(const Findings& findings);

/// Writes each table, and the numbers of each figure, as <id>.csv; each figure as <id>.svg; into a
/// folder that is made where it is missing. Return the number of files.
int64_t write_tables(const Findings& findings, const std::filesystem::path& folder);
int64_t write_figures(const Findings& findings, const std::filesystem::path& folder);

enum class SvgHeading { kShown, kLeftOut };

/// A figure as an SVG image, with its title on top unless the surroundings show it.
std::string to_svg(const Figure& figure, SvgHeading heading = SvgHeading::kShown);
std::string to_svg(const HeatMap& map, SvgHeading heading = SvgHeading::kShown);
std::string to_svg(const Contour& contour, SvgHeading heading = SvgHeading::kShown);

}  // namespace flatenn::report
