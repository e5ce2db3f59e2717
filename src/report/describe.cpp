#include "report/describe.h"

#include <algorithm>
#include <cmath>

#include "flatenn/base/error.h"
#include "report/colour_scale.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

constexpr size_t kMostLines = 8;

std::string place(const Axis& axis, double x) {
  if (axis.categories.empty()) return short_number(x);
  return axis.categories.at(static_cast<size_t>(x));
}

/// "saq-sparse from 91.2 at 0.001 to 44.1 at 0.05"
std::string course(const Figure& figure, const Series& series) {
  const std::string from = fixed(series.y.front(), 1) + " at " + place(figure.x, series.x.front());
  const std::string name = series.name.empty() ? "a line" : series.name;
  if (series.x.size() == 1) return name + ": " + from;
  return name + " from " + from + " to " + fixed(series.y.back(), 1) + " at " +
         place(figure.x, series.x.back());
}

}  // namespace

std::string describe(const Figure& figure) {
  std::string text = figure.title + ". " + figure.y.title + " against " + figure.x.title + ": ";
  size_t told = 0, left = 0;
  for (const Series& series : figure.series) {
    if (series.faint || series.x.empty()) continue;
    if (told == kMostLines) {
      ++left;
      continue;
    }
    text += (told++ > 0 ? "; " : "") + course(figure, series);
  }
  if (left > 0) text += detail::concat("; and ", left, " more");
  return text + ".";
}

std::string describe(const HeatMap& map) {
  const auto [low, high] = value_range(map);
  return detail::concat(map.title, ". ", map.value_title, " for ", map.rows.size(), " rows (",
                        map.y_title, ") and ", map.columns.size(), " columns (", map.x_title,
                        "), from ", fixed(low, map.decimals), " to ", fixed(high, map.decimals),
                        ".");
}

std::string describe(const Contour& contour) {
  double low = INFINITY, high = -INFINITY;
  for (const auto& row : contour.values) {
    for (const double value : row) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return detail::concat(contour.title, ". ", contour.value_title, " over ", contour.x_title,
                        " and ", contour.y_title, ", from ", short_number(low), " to ",
                        short_number(high), ".");
}

}  // namespace flatenn::report
