#include <cmath>
#include <nlohmann/json.hpp>

#include "report/contour_levels.h"
#include "report/format.h"
#include "report/plotly.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

/// Plotly draws levels at equal steps, so it is given logarithms; NaN becomes null.
json logarithms(const Contour& contour) {
  json rows = json::array();
  for (const auto& values : contour.values) {
    json row = json::array();
    for (const double value : values)
      row.push_back(std::isfinite(value) && value > 0 ? json(std::log10(value)) : json(nullptr));
    rows.push_back(row);
  }
  return rows;
}

json hover_texts(const Contour& contour) {
  json rows = json::array();
  for (const auto& values : contour.values) {
    json row = json::array();
    for (const double value : values) row.push_back(short_number(value));
    rows.push_back(row);
  }
  return rows;
}

json colour_bar(const Contour& contour, const std::vector<double>& levels) {
  json values = json::array(), texts = json::array();
  for (size_t i = 0; i < levels.size(); i += 2) {
    values.push_back(std::log10(levels[i]));
    texts.push_back(short_number(levels[i]));
  }
  return {{"title", {{"text", escape_html(contour.value_title)}, {"side", "right"}}},
          {"thickness", 12},
          {"tickvals", values},
          {"ticktext", texts}};
}

double span_of(const std::vector<double>& coordinates) {
  return coordinates.back() - coordinates.front();
}

json axis(const std::string& title) {
  return {{"title", {{"text", escape_html(title)}, {"standoff", 8}}},
          {"zeroline", false},
          {"automargin", true}};
}

}  // namespace

json to_plotly(const Contour& contour) {
  const std::vector<double> levels = contour_levels(contour);
  const double low = std::log10(levels.front()), high = std::log10(levels.back());
  const json trace = {
      {"type", "contour"},
      {"x", contour.x},
      {"y", contour.y},
      {"z", logarithms(contour)},
      {"zmin", low},
      {"zmax", high},
      {"text", hover_texts(contour)},
      {"colorscale", plotly_colour_scale()},
      {"contours",
       {{"start", low},
        {"end", high},
        {"size", (high - low) / static_cast<double>(levels.size() - 1)}}},
      {"line", {{"width", 0.6}, {"color", "#44546a"}}},
      {"colorbar", colour_bar(contour, levels)},
      {"hovertemplate",
       "(%{x:.3~g}, %{y:.3~g}): " + escape_html(contour.value_title) + " %{text}<extra></extra>"}};
  json layout = common_layout();
  layout["xaxis"] = axis(contour.x_title);
  layout["yaxis"] = axis(contour.y_title);
  if (std::abs(span_of(contour.x) - span_of(contour.y)) < 1e-9) {  // a square
    layout["yaxis"]["scaleanchor"] = "x";
    layout["xaxis"]["constrain"] = layout["yaxis"]["constrain"] = "domain";
  }
  return {{"data", {trace}}, {"layout", layout}};
}

}  // namespace flatenn::report
