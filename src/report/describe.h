#pragma once

#include <string>

#include "flatenn/report/figure.h"

namespace flatenn::report {

/// What a picture shows, in words for those who cannot see it.
std::string describe(const Figure& figure);
std::string describe(const HeatMap& map);
std::string describe(const Contour& contour);

}  // namespace flatenn::report
