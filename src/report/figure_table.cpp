#include "report/figure_table.h"

#include <algorithm>

#include "report/format.h"

namespace flatenn::report {
namespace {

Field coordinate(const Axis& axis, double value) {
  if (axis.categories.empty()) return value;
  return axis.categories.at(static_cast<size_t>(value));
}

double at(const std::vector<double>& values, size_t index) {
  return index < values.size() ? values[index] : kNoNumber;
}

template <typename Values>
bool any_series_has(const Figure& figure, Values Series::*values) {
  return std::any_of(figure.series.begin(), figure.series.end(),
                     [&](const Series& series) { return !(series.*values).empty(); });
}

}  // namespace

Table table_of(const Figure& figure) {
  Table table{.id = figure.id, .title = figure.title};
  const bool bands = any_series_has(figure, &Series::low);
  const bool labels = any_series_has(figure, &Series::labels);
  table.columns = {{"series"}, {figure.x.title}, {figure.y.title}};
  if (bands) table.columns.insert(table.columns.end(), {{"low"}, {"high"}});
  if (labels) table.columns.push_back({"of"});
  for (const Series& series : figure.series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      std::vector<Field> row{series.name, coordinate(figure.x, series.x[i]), series.y[i]};
      if (bands) row.insert(row.end(), {at(series.low, i), at(series.high, i)});
      if (labels) row.emplace_back(i < series.labels.size() ? series.labels[i] : "");
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

Table table_of(const HeatMap& map) {
  Table table{.id = map.id, .title = map.title};
  table.columns = {{map.y_title}, {map.x_title}, {map.value_title}};
  for (size_t r = 0; r < map.rows.size(); ++r) {
    for (size_t c = 0; c < map.columns.size(); ++c)
      table.rows.push_back({map.rows[r], map.columns[c], map.values[r][c]});
  }
  return table;
}

Table table_of(const Contour& contour) {
  Table table{.id = contour.id, .title = contour.title};
  table.columns = {{contour.x_title}, {contour.y_title}, {contour.value_title}};
  for (size_t r = 0; r < contour.y.size(); ++r) {
    for (size_t c = 0; c < contour.x.size(); ++c)
      table.rows.push_back({contour.x[c], contour.y[r], contour.values[r][c]});
  }
  return table;
}

}  // namespace flatenn::report
