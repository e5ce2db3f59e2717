#pragma once

#include <string>
#include <vector>

#include "flatenn/report/figure.h"
#include "report/scale.h"

namespace flatenn::report {

/// A curve's name beside its end, at the right edge of the plot.
struct EndLabel {
  std::string name;
  int64_t colour = 0;
  double position =
      0;  ///< Along the y axis, in [0, 1]: near the curve's last point, apart from others.
};

/// Labels of the named lines; none for a single line, points alone, or more lines than can be told
/// apart so.
std::vector<EndLabel> end_labels(const Figure& figure, const Scale& y);

/// The palette's colour, darkened until text in it stands out on white: a contrast of 4.5 at least
/// (WCAG 2.2, 1.4.3).
const std::string& label_colour(int64_t colour);

}  // namespace flatenn::report
