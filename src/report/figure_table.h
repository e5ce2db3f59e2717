#pragma once

#include "flatenn/report/figure.h"
#include "flatenn/report/table.h"

namespace flatenn::report {

/// The numbers behind a picture, a row a point or cell, under its id and the titles of its axes.
Table table_of(const Figure& figure);
Table table_of(const HeatMap& map);
Table table_of(const Contour& contour);

}  // namespace flatenn::report
