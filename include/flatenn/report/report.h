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

/// Writes each table, and the numbers of each figure, as ID.csv; each figure as ID.svg; into a
/// folder that is made where it is missing. Return the number of files.
int64_t write_tables(const Findings& findings, const std::filesystem::path& folder);
int64_t write_figures(const Findings& findings, const std::filesystem::path& folder);

/// Writes what TensorBoard shows, an event file a network: training/RUN has every number of each
/// epoch, PLAN/NETWORK the accuracy against the level of faults and the mean after each trial.
/// Returns the number of files.
int64_t write_event_files(const Findings& findings, const std::filesystem::path& folder);

/// A picture that to_svg() drew as a PDF page of its own: vector shapes, text in Helvetica, which
/// every reader brings. `width_pt` is the page's width in points (1/72 inch); its height follows.
std::string svg_to_pdf(const std::string& svg, double width_pt);

/// The page's own copy of the answer for a watcher: it loads itself again every `seconds`.
std::string render_live_page(const Findings& findings, int64_t seconds);

enum class SvgHeading { kShown, kLeftOut };

/// Of a figure's picture, in pixels; text keeps its size.
struct SvgSize {
  double width = 720;
  double plot_height = 330;  ///< Without axis titles and legend.
};

/// A figure as an SVG image, with its title on top unless the surroundings show it.
std::string to_svg(const Figure& figure, SvgHeading heading = SvgHeading::kShown,
                   SvgSize size = {});
std::string to_svg(const HeatMap& map, SvgHeading heading = SvgHeading::kShown);
std::string to_svg(const Contour& contour, SvgHeading heading = SvgHeading::kShown);

}  // namespace flatenn::report
