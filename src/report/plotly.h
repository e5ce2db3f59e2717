#pragma once

#include <nlohmann/json_fwd.hpp>

#include "flatenn/report/figure.h"

namespace flatenn::report {

/// {"data": [...], "layout": {...}} for Plotly.newPlot.
nlohmann::json to_plotly(const Figure& figure);
nlohmann::json to_plotly(const HeatMap& map);

}  // namespace flatenn::report
