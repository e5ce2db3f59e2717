#pragma once

#include <nlohmann/json_fwd.hpp>

#include "flatenn/report/figure.h"
#include "report/colour_scale.h"

namespace flatenn::report {

/// {"data": [...], "layout": {...}} for Plotly.newPlot.
nlohmann::json to_plotly(const Figure& figure);
nlohmann::json to_plotly(const HeatMap& map);
nlohmann::json to_plotly(const Contour& contour);

/// What all figures' layouts share.
nlohmann::json common_layout();
/// kColourStops as Plotly takes them.
nlohmann::json plotly_colour_scale(const ColourStops& stops = kColourStops);

}  // namespace flatenn::report
