#pragma once

#include <vector>

#include "flatenn/report/figure.h"

namespace flatenn::report {

/// Rising levels at equal ratios from the least to the greatest positive value, both included.
std::vector<double> contour_levels(const Contour& contour);

}  // namespace flatenn::report
