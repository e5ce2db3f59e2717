#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "flatenn/base/error.h"
#include "flatenn/report/report.h"
#include "report/colour_scale.h"
#include "report/contour_levels.h"
#include "report/format.h"
#include "report/scale.h"
#include "report/svg_canvas.h"

namespace flatenn::report {
namespace {

constexpr double kSide = 400;  ///< Of the plane, which is square.
constexpr double kContourLeft = 62;
constexpr double kContourText = 12;
constexpr double kKeyLeft = kContourLeft + kSide + 24;
constexpr double kKeyWidth = 16;
constexpr double kWidth = kKeyLeft + kKeyWidth + 70;

/// A grid point: where it is drawn, and the logarithm of its value.
struct Corner {
  Point at;
  double value = 0;
};

Axis linear_axis(const std::vector<double>& values) {
  return {.min = values.front(), .max = values.back()};
}

/// Paints the region above each level over the one below.
class ContourDrawing {
 public:
  ContourDrawing(const Contour& contour, SvgHeading heading)
      : contour_(contour),
        levels_(contour_levels(contour)),
        x_(linear_axis(contour.x), contour.x),
        y_(linear_axis(contour.y), contour.y),
        top_(heading == SvgHeading::kShown ? 40 : 10) {
    if (heading == SvgHeading::kShown)
      canvas_.text({kContourLeft, 20}, contour.title, 15, Anchor::kStart, " font-weight=\"bold\"");
  }

  std::string draw() {
    for (size_t band = 0; band + 1 < levels_.size(); ++band) {
      canvas_.raw("<path d=\"" + region_above(std::log(levels_[band])) + "\" fill=\"" +
                  colour(band) + "\"/>\n");
    }
    axes();
    key();
    return canvas_.finish(kWidth, top_ + kSide + 50, contour_.title);
  }

 private:
  std::string colour(size_t band) const {
    return scale_colour(static_cast<double>(band) / static_cast<double>(levels_.size() - 2));
  }

  Corner corner(size_t row, size_t column) const {
    const double value = contour_.values[row][column];
    return {{kContourLeft + kSide * x_.position(contour_.x[column]),
             top_ + kSide * (1 - y_.position(contour_.y[row]))},
            std::isfinite(value) && value > 0 ? std::log(value)
                                              : -std::numeric_limits<double>::infinity()};
  }

  /// Cell by cell, the part whose values reach the level, its edges cut where a line between two
  /// corners does. Whole cells in a row are joined.
  std::string region_above(double level) const {
    std::string path;
    for (size_t row = 0; row + 1 < contour_.y.size(); ++row) {
      size_t whole_from = 0, whole = 0;  // cells reached at all four corners
      for (size_t column = 0; column + 1 < contour_.x.size(); ++column) {
        const std::array<Corner, 4> corners = {corner(row, column), corner(row, column + 1),
                                               corner(row + 1, column + 1),
                                               corner(row + 1, column)};
        if (std::all_of(corners.begin(), corners.end(),
                        [&](const Corner& c) { return c.value >= level - 1e-9; })) {
          if (whole++ == 0) whole_from = column;
          continue;
        }
        path += whole_cells(row, whole_from, whole);
        whole = 0;
        path += outline(part_above(corners, level));
      }
      path += whole_cells(row, whole_from, whole);
    }
    return path;
  }

  std::string whole_cells(size_t row, size_t from, size_t count) const {
    if (count == 0) return "";
    return outline({corner(row, from).at, corner(row, from + count).at,
                    corner(row + 1, from + count).at, corner(row + 1, from).at});
  }

  static std::vector<Point> part_above(const std::array<Corner, 4>& corners, double level) {
    std::vector<Point> points;
    for (size_t i = 0; i < corners.size(); ++i) {
      const Corner& a = corners[i];
      const Corner& b = corners[(i + 1) % corners.size()];
      if (a.value >= level) points.push_back(a.at);
      if ((a.value >= level) == (b.value >= level)) continue;
      const bool known = std::isfinite(a.value) && std::isfinite(b.value);
      const double share = known ? (level - a.value) / (b.value - a.value) : 0.5;
      points.push_back({a.at.x + share * (b.at.x - a.at.x), a.at.y + share * (b.at.y - a.at.y)});
    }
    return points;
  }

  static std::string outline(const std::vector<Point>& points) {
    if (points.size() < 3) return "";
    std::string path;
    for (const Point& point : points)
      path += detail::concat(path.empty() ? "M" : "L", fixed(point.x, 1), " ", fixed(point.y, 1));
    return path + "Z";
  }

  void axes() {
    const double bottom = top_ + kSide;
    canvas_.rectangle({kContourLeft, top_}, kSide, kSide, " fill=\"none\" stroke=\"#6b7680\"");
    for (const Tick& tick : x_.ticks()) {
      const double x = kContourLeft + kSide * x_.position(tick.value);
      canvas_.text({x, bottom + 17}, tick.label, kContourText, Anchor::kMiddle);
    }
    for (const Tick& tick : y_.ticks()) {
      const double y = top_ + kSide * (1 - y_.position(tick.value));
      canvas_.text({kContourLeft - 7, y + 4}, tick.label, kContourText, Anchor::kEnd);
    }
    canvas_.text({kContourLeft + kSide / 2, bottom + 38}, contour_.x_title, kContourText + 1,
                 Anchor::kMiddle);
    const double middle = top_ + kSide / 2;
    canvas_.text({16, middle}, contour_.y_title, kContourText + 1, Anchor::kMiddle,
                 " transform=\"rotate(-90 16 " + fixed(middle, 0) + ")\"");
  }

  /// The levels beside their colours, least at the bottom.
  void key() {
    const auto bands = static_cast<double>(levels_.size() - 1);
    const double height = kSide / bands;
    for (size_t band = 0; band + 1 < levels_.size(); ++band) {
      const double y = top_ + kSide - height * static_cast<double>(band + 1);
      canvas_.rectangle({kKeyLeft, y}, kKeyWidth, height, " fill=\"" + colour(band) + "\"");
    }
    for (size_t level = 0; level < levels_.size(); level += 2) {
      const double y = top_ + kSide - height * static_cast<double>(level);
      canvas_.text({kKeyLeft + kKeyWidth + 6, y + 4}, short_number(levels_[level]), kContourText,
                   Anchor::kStart);
    }
    canvas_.text({kKeyLeft + kKeyWidth, top_ + kSide + 38}, contour_.value_title, kContourText + 1,
                 Anchor::kMiddle);
  }

  const Contour& contour_;
  std::vector<double> levels_;
  Scale x_, y_;
  double top_;  ///< Of the plane.
  SvgCanvas canvas_;
};

}  // namespace

std::string to_svg(const Contour& contour, SvgHeading heading) {
  return ContourDrawing(contour, heading).draw();
}

}  // namespace flatenn::report
