#include "report/end_labels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace flatenn::report {
namespace {

constexpr size_t kMostLabels = 10;
/// Of the axis: a line of text.
constexpr double kGap = 0.052;

/// The position of a curve's last point; NaN where it has none.
double last_position(const Series& series, const Scale& y) {
  for (size_t i = series.y.size(); i-- > 0;) {
    const double position = y.position(series.y[i]);
    if (std::isfinite(position)) return std::clamp(position, 0.0, 1.0);
  }
  return std::nan("");
}

/// Moves labels apart, from the lowest up, and back down where they leave the axis.
void spread(std::vector<EndLabel>& labels) {
  std::stable_sort(labels.begin(), labels.end(),
                   [](const EndLabel& a, const EndLabel& b) { return a.position < b.position; });
  for (size_t i = 1; i < labels.size(); ++i)
    labels[i].position = std::max(labels[i].position, labels[i - 1].position + kGap);
  double ceiling = 1;
  for (size_t i = labels.size(); i-- > 0;) {
    labels[i].position = std::min(labels[i].position, ceiling);
    ceiling = labels[i].position - kGap;
  }
}

}  // namespace

std::vector<EndLabel> end_labels(const Figure& figure, const Scale& y) {
  std::vector<EndLabel> labels;
  if (!figure.x.categories.empty()) return labels;
  std::set<std::string> named;
  for (const Series& series : figure.series) {
    if (series.faint || !series.line || series.name.empty()) continue;
    if (!named.insert(series.name).second) continue;
    const double position = last_position(series, y);
    if (std::isfinite(position)) labels.push_back({series.name, series.style.colour, position});
  }
  if (labels.size() < 2 || labels.size() > kMostLabels) return {};
  spread(labels);
  return labels;
}

const std::string& label_colour(int64_t colour) {
  static const std::array<std::string, 7> kColours = {"#0072b2", "#b34f00", "#007a59", "#a84f80",
                                                      "#000000", "#8f6200", "#1f78ab"};
  return kColours[static_cast<size_t>(colour) % kColours.size()];
}

}  // namespace flatenn::report
