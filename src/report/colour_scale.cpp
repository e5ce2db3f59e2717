#include "report/colour_scale.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace flatenn::report {

std::string scale_colour(double position, const ColourStops& stops) {
  const double at = std::clamp(position, 0.0, 1.0);
  size_t upper = 1;
  while (upper + 1 < stops.size() && stops[upper].position < at) ++upper;
  const ColourStop& from = stops[upper - 1];
  const ColourStop& to = stops[upper];
  const double share = (at - from.position) / (to.position - from.position);
  std::array<unsigned, 3> mixed{};
  for (size_t i = 0; i < mixed.size(); ++i) {
    mixed[i] = static_cast<unsigned>(std::lround(from.rgb[i] + share * (to.rgb[i] - from.rgb[i])));
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "#%02x%02x%02x", mixed[0], mixed[1], mixed[2]);
  return text.data();
}

bool wants_white_text(double position, const ColourStops& stops) {
  if (&stops == &kColourStops) return position > 0.55;
  return position < 0.12 || position > 0.85;
}

const ColourStops& colour_stops(const HeatMap& map) {
  return map.differences ? kDifferenceStops : kColourStops;
}

std::pair<double, double> value_range(const HeatMap& map) {
  double low = INFINITY, high = -INFINITY;
  for (const auto& row : map.values) {
    for (const double value : row) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (map.differences) {
    const double most = low > high ? 1 : std::max({-low, high, 1e-9});
    return {-most, most};
  }
  if (low > high) return {0, 1};
  return {low, high > low ? high : low + 1};
}

}  // namespace flatenn::report
