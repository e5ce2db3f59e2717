#include "report/plotly.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/colour_scale.h"
#include "report/end_labels.h"
#include "report/format.h"
#include "report/scale.h"
#include "report/svg_canvas.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

const char* dash_name(Dash dash) {
  switch (dash) {
    case Dash::kSolid:
      break;
    case Dash::kDashed:
      return "dash";
    case Dash::kDotted:
      return "dot";
    case Dash::kDashDot:
      return "dashdot";
  }
  return "solid";
}

const char* marker_name(Marker marker) {
  switch (marker) {
    case Marker::kSquare:
      return "square";
    case Marker::kDiamond:
      return "diamond";
    case Marker::kTriangle:
      return "triangle-up";
    case Marker::kCross:
      return "x-thin-open";
    case Marker::kCircle:
    case Marker::kNone:
      break;
  }
  return "circle";
}

json coordinates(const Axis& axis, const std::vector<double>& values) {
  json out = json::array();
  for (const double value : values) {
    if (axis.categories.empty()) {
      out.push_back(value);
    } else {
      out.push_back(axis.categories.at(static_cast<size_t>(value)));
    }
  }
  return out;
}

json band(const Figure& figure, const Series& series) {
  std::vector<double> x, y;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.high[i]) || !std::isfinite(series.low[i])) continue;
    x.push_back(series.x[i]);
    y.push_back(series.high[i]);
  }
  for (size_t i = series.x.size(); i-- > 0;) {
    if (!std::isfinite(series.high[i]) || !std::isfinite(series.low[i])) continue;
    x.push_back(series.x[i]);
    y.push_back(series.low[i]);
  }
  return {{"x", coordinates(figure.x, x)},
          {"y", y},
          {"fill", "toself"},
          {"fillcolor", palette_colour(series.style.colour)},
          {"opacity", 0.15},
          {"line", {{"width", 0}}},
          {"mode", "lines"},
          {"hoverinfo", "skip"},
          {"showlegend", false},
          {"legendgroup", series.name}};
}

std::string hover_text(const Figure& figure, const Series& series) {
  const std::string x = figure.x.categories.empty() ? "%{x:.4~g}" : "%{x}";
  std::string text = "<b>" + escape_html(series.name) + "</b><br>" + escape_html(figure.x.title) +
                     ": " + x + "<br>" + escape_html(figure.y.title) + ": %{y:.2f}";
  if (!series.low.empty()) text += " [%{customdata[0]:.2f}, %{customdata[1]:.2f}]";
  if (!series.labels.empty()) text += "<br>%{text}";
  return text + "<extra></extra>";
}

json curve(const Figure& figure, const Series& series, bool in_legend) {
  const std::string& colour = palette_colour(series.style.colour);
  json trace = {{"x", coordinates(figure.x, series.x)},
                {"y", series.y},
                {"name", escape_html(short_name(series.name))},
                {"legendgroup", series.name},
                {"showlegend", in_legend && !series.faint},
                {"mode", series.faint  ? "lines"
                         : series.line ? "lines+markers"
                                       : "markers"},
                {"line",
                 {{"color", colour},
                  {"width", series.faint ? 0.8 : 2.2},
                  {"dash", dash_name(series.style.dash)}}},
                {"marker",
                 {{"color", series.style.hollow ? "#ffffff" : colour},
                  {"size", 7},
                  {"symbol", marker_name(series.style.marker)},
                  {"line", {{"color", colour}, {"width", 1.5}}}}},
                {"hovertemplate", hover_text(figure, series)}};
  if (series.faint) trace["opacity"] = 0.55;
  if (series.style.marker == Marker::kNone && series.line) trace["mode"] = "lines";
  json ends = json::array();
  for (size_t i = 0; i < series.low.size(); ++i) ends.push_back({series.low[i], series.high[i]});
  if (!ends.empty()) trace["customdata"] = ends;
  if (!series.labels.empty()) {
    json labels = json::array();
    for (const std::string& label : series.labels) labels.push_back(escape_html(label));
    trace["text"] = labels;
  }
  return trace;
}

json reference(const Figure& figure, const ReferenceLine& line, const Scale& x) {
  const std::vector<double> ends = figure.x.categories.empty()
                                       ? std::vector<double>{x.low(), x.high()}
                                       : std::vector<double>{0, x.high() - 0.5};
  return {
      {"x", coordinates(figure.x, ends)},
      {"y", {line.y, line.y}},
      {"name", escape_html(short_name(line.name))},
      {"showlegend", !line.name.empty()},
      {"legendgroup", line.series.empty() ? line.name : line.series},
      {"mode", "lines"},
      {"line", {{"color", palette_colour(line.style.colour)}, {"width", 1.2}, {"dash", "dot"}}},
      {"hovertemplate", escape_html(line.name.empty() ? line.series + ", no faults" : line.name) +
                            ": %{y:.2f}<extra></extra>"}};
}

/// A curve's name at its end; it goes with the curve when that is hidden.
json end_label(const EndLabel& label, const Scale& x, const Scale& y) {
  return {{"x", {x.high()}},
          {"y", {y.value(label.position)}},
          {"mode", "text"},
          {"text", {escape_html(short_name(label.name))}},
          {"textposition", "middle right"},
          {"textfont", {{"color", label_colour(label.colour)}}},
          {"cliponaxis", false},
          {"hoverinfo", "skip"},
          {"showlegend", false},
          {"legendgroup", label.name},
          {"meta", "end label"}};
}

/// Room for the longest of them.
double label_margin(const std::vector<EndLabel>& labels) {
  double widest = 0;
  for (const EndLabel& label : labels)
    widest = std::max(widest, text_width(short_name(label.name), 13));
  return 12 + widest;
}

json axis_layout(const Axis& axis, const Scale& scale) {
  json out = {{"title", {{"text", escape_html(axis.title)}, {"standoff", 8}}},
              {"gridcolor", "#d8dde3"},
              {"linecolor", "#6b7680"},
              {"mirror", true},
              {"showline", true},
              {"zeroline", false},
              {"automargin", true}};
  if (!axis.categories.empty()) {
    out["type"] = "category";
    return out;
  }
  if (!axis.log) {
    out["range"] = {scale.low(), scale.high()};
    if (axis.whole) out["tickformat"] = ",d";
    if (axis.whole && scale.high() - scale.low() < 6) out["dtick"] = 1;
    return out;
  }
  out["type"] = "log";
  out["range"] = {std::log10(scale.low()), std::log10(scale.high())};
  out["tickvals"] = json::array();
  out["ticktext"] = json::array();
  for (const Tick& tick : scale.ticks()) {
    out["tickvals"].push_back(tick.value);
    out["ticktext"].push_back(tick.label);
  }
  return out;
}

}  // namespace

json common_layout() {
  return {{"font", {{"family", "system-ui, Helvetica, Arial, sans-serif"}, {"size", 13}}},
          {"paper_bgcolor", "rgba(0,0,0,0)"},
          {"plot_bgcolor", "#ffffff"},
          {"margin", {{"l", 60}, {"r", 12}, {"t", 12}, {"b", 48}}},
          {"hovermode", "closest"},
          {"modebar",
           {{"bgcolor", "rgba(255,255,255,0)"}, {"color", "#8c959f"}, {"activecolor", "#0a4a78"}}},
          {"hoverlabel", {{"bgcolor", "#ffffff"}, {"font", {{"color", "#1b1f24"}}}}}};
}

json plotly_colour_scale(const ColourStops& stops) {
  json scale = json::array();
  for (const ColourStop& stop : stops)
    scale.push_back({stop.position, scale_colour(stop.position, stops)});
  return scale;
}

json to_plotly(const Figure& figure) {
  const Scale x(figure.x, x_values(figure)), y(figure.y, y_values(figure));
  json data = json::array();
  for (const Series& series : figure.series) {
    if (!series.low.empty() && !series.faint) data.push_back(band(figure, series));
  }
  for (const ReferenceLine& line : figure.references) data.push_back(reference(figure, line, x));
  std::vector<std::string> named;
  for (const Series& series : figure.series) {
    const bool first = std::find(named.begin(), named.end(), series.name) == named.end();
    if (!series.faint) named.push_back(series.name);
    data.push_back(curve(figure, series, first));
  }
  const std::vector<EndLabel> labels = end_labels(figure, y);
  for (const EndLabel& label : labels) data.push_back(end_label(label, x, y));
  json layout = common_layout();
  if (!labels.empty()) layout["margin"]["r"] = label_margin(labels);
  layout["xaxis"] = axis_layout(figure.x, x);
  layout["yaxis"] = axis_layout(figure.y, y);
  layout["legend"] = {
      {"orientation", "h"}, {"yref", "container"}, {"y", 0}, {"yanchor", "bottom"}, {"x", 0}};
  return {{"data", data}, {"layout", layout}};
}

json escaped(const std::vector<std::vector<std::string>>& texts) {
  json all = json::array();
  for (const std::vector<std::string>& row : texts) {
    all.push_back(json::array());
    for (const std::string& text : row) all.back().push_back(escape_html(text));
  }
  return all;
}

json to_plotly(const HeatMap& map) {
  const auto [low, high] = value_range(map);
  json trace = {
      {"type", "heatmap"},
      {"x", map.columns},
      {"y", map.rows},
      {"z", map.values},
      {"zmin", low},
      {"zmax", high},
      {"colorscale", plotly_colour_scale(colour_stops(map))},
      {"xgap", map.columns.size() > 40 ? 0 : 1},
      {"ygap", map.rows.size() > 40 ? 0 : 1},
      {"colorbar",
       {{"title", {{"text", escape_html(map.value_title)}, {"side", "right"}}}, {"thickness", 12}}},
      {"hovertemplate", escape_html(map.y_title) + ": %{y}<br>" + escape_html(map.x_title) +
                            ": %{x}<br>" + escape_html(map.value_title) + ": %{z:.4~g}" +
                            (map.notes.empty() ? "" : "<br>%{customdata}") + "<extra></extra>"}};
  if (!map.notes.empty()) trace["customdata"] = escaped(map.notes);
  if (!map.marks.empty()) trace["text"] = escaped(map.marks);
  if (map.rows.size() * map.columns.size() <= 400) {
    trace["texttemplate"] =
        "%{z:." + std::to_string(map.decimals) + "f}" + (map.marks.empty() ? "" : "%{text}");
  }
  json layout = common_layout();
  layout["xaxis"] = {{"title", {{"text", escape_html(map.x_title)}}}, {"type", "category"}};
  layout["yaxis"] = {{"title", {{"text", escape_html(map.y_title)}}},
                     {"type", "category"},
                     {"autorange", "reversed"},
                     {"automargin", true}};
  return {{"data", {trace}}, {"layout", layout}};
}

}  // namespace flatenn::report
