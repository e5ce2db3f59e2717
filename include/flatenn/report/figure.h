#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace flatenn::report {

enum class Dash { kSolid, kDashed, kDotted, kDashDot };
enum class Marker { kCircle, kSquare, kDiamond, kTriangle, kCross, kNone };

/// How one line looks. Colour and marker tell recipes apart, dashes and hollow markers the kind of
/// activation, so a figure stays readable in grey and to colour-blind readers.
struct Style {
  int64_t colour = 0;  ///< Index into the palette, wrapped.
  Dash dash = Dash::kSolid;
  Marker marker = Marker::kCircle;
  bool hollow = false;  ///< The marker is white inside.
};

/// Okabe and Ito's colours without yellow, darkest contrasts first, as "#rrggbb".
const std::string& palette_colour(int64_t index);

struct Series {
  std::string name;  ///< In the legend; series of equal name are shown and hidden together.
  Style style;
  std::vector<double> x, y;         ///< Equal length; points that are not finite are left out.
  std::vector<double> low, high;    ///< Confidence band, or empty.
  std::vector<std::string> labels;  ///< Hover text of each point, or empty.
  bool line = true;                 ///< Joins the points.
  bool faint = false;               ///< Drawn thin, without legend: a replicate behind its mean.
};

/// A horizontal line, such as the accuracy without faults.
struct ReferenceLine {
  std::string name;
  double y = 0;
  Style style;
  std::string series = "";  ///< It is hidden with the series of this name.
};

struct Axis {
  std::string title;
  bool log = false;
  std::vector<std::string> categories;  ///< Where not empty, coordinates 0, 1, ... stand for these.
  std::optional<double> min, max;       ///< Else from the data.
  bool whole = false;                   ///< Ticks at whole numbers only: epochs, counts.
};

/// Lines or points over two axes. Drawn by to_plotly for the screen and by to_svg for print.
struct Figure {
  std::string id;  ///< Letters, digits, '-': file name and HTML id.
  std::string title;
  std::string caption;  ///< What is shown, in a sentence or two; plain text.
  Axis x, y;
  std::vector<Series> series;
  std::vector<ReferenceLine> references;
};

/// A matrix of colours with its numbers written in the cells: rows x columns.
struct HeatMap {
  std::string id, title, caption;
  std::string x_title, y_title, value_title;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> values;  ///< [rows][columns]; NaN: no value.
  int decimals = 1;
  /// Colours tell the sign, white is 0: for differences.
  bool differences = false;
  std::vector<std::vector<std::string>> marks;  ///< Behind the numbers of the cells, or empty.
  std::vector<std::vector<std::string>> notes;  ///< More about each cell on the screen, or empty.
};

/// A positive number over a plane, such as a loss: bands between levels at equal ratios.
struct Contour {
  std::string id, title, caption;
  std::string x_title, y_title, value_title;
  std::vector<double> x, y;                 ///< Rising, at least two each.
  std::vector<std::vector<double>> values;  ///< [y][x]; those not finite or positive are left out.
  std::optional<double> low, high;          ///< Of the colours; else from the values.
};

}  // namespace flatenn::report
