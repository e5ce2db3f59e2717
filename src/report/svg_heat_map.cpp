#include <algorithm>
#include <cmath>
#include <tuple>

#include "flatenn/report/report.h"
#include "report/colour_scale.h"
#include "report/format.h"
#include "report/svg_canvas.h"

namespace flatenn::report {
namespace {

constexpr double kMapWidth = 720;
constexpr double kMapRight = 14;
constexpr double kMapText = 12;
constexpr double kRowHeight = 30;
constexpr double kMaxHeight = 400;  ///< Of the cells together.
constexpr double kNarrow = 30;      ///< Cells with small numbers.
constexpr double kSmallText = 9;
constexpr double kMostColumnText = 30;  ///< Shorter names are left out, not turned.
constexpr size_t kMaxNumbers = 400;     ///< Cells; in more, numbers would not be readable.

/// Lines up a heat map's parts in one picture.
class HeatMapDrawing {
 public:
  HeatMapDrawing(const HeatMap& map, SvgHeading heading)
      : map_(map), top_(heading == SvgHeading::kShown ? 40 : 10) {
    for (const std::string& row : map.rows)
      left_ = std::max(left_, text_width(short_name(row), kMapText) + 34);
    const auto rows = static_cast<double>(std::max<size_t>(1, map.rows.size()));
    const auto columns = static_cast<double>(std::max<size_t>(1, map.columns.size()));
    cell_width_ = (kMapWidth - left_ - kMapRight) / columns;
    row_height_ = std::min(kRowHeight, kMaxHeight / rows);
    bottom_ = top_ + row_height_ * rows;
    std::tie(low_, high_) = value_range(map);
    for (const std::string& column : map.columns)
      column_text_ = std::max(column_text_, text_width(column, kMapText));
    turned_ = column_text_ > kMostColumnText && column_text_ > cell_width_;
    if (heading == SvgHeading::kShown)
      canvas_.text({left_, 20}, map.title, 15, Anchor::kStart, " font-weight=\"bold\"");
  }

  std::string draw() {
    for (size_t r = 0; r < map_.rows.size(); ++r) {
      for (size_t c = 0; c < map_.columns.size(); ++c) cell(r, c);
    }
    names();
    canvas_.text({left_, below() + 60},
                 map_.value_title + ": " + fixed(low_, map_.decimals) +
                     (map_.differences ? " (orange) to " : " (light) to ") +
                     fixed(high_, map_.decimals) + (map_.differences ? " (blue)" : " (dark)"),
                 kMapText, Anchor::kStart);
    return canvas_.finish(kMapWidth, below() + 72, map_.title);
  }

 private:
  void cell(size_t r, size_t c) {
    const double value = map_.values[r][c];
    if (!std::isfinite(value)) return;
    const Point corner{left_ + cell_width_ * static_cast<double>(c),
                       top_ + row_height_ * static_cast<double>(r)};
    const double position = (value - low_) / (high_ - low_);
    const bool numbers = map_.rows.size() * map_.columns.size() <= kMaxNumbers;
    canvas_.rectangle(corner, cell_width_, row_height_,
                      " fill=\"" + scale_colour(position, colour_stops(map_)) + "\"" +
                          (numbers ? " stroke=\"#ffffff\"" : ""));
    if (!numbers) return;
    canvas_.text({corner.x + cell_width_ / 2, corner.y + row_height_ / 2 + 4},
                 fixed(value, map_.decimals) + (map_.marks.empty() ? "" : map_.marks[r][c]),
                 cell_width_ < kNarrow ? kSmallText : kMapText, Anchor::kMiddle,
                 wants_white_text(position, colour_stops(map_)) ? " fill=\"#ffffff\"" : "");
  }

  void names() {
    const size_t every_row = 1 + map_.rows.size() / 26;
    for (size_t r = 0; r < map_.rows.size(); r += every_row) {
      const double y = top_ + row_height_ * (static_cast<double>(r) + 0.5);
      canvas_.text({left_ - 7, y + 4}, short_name(map_.rows[r]), kMapText, Anchor::kEnd);
    }
    const size_t every_column = 1 + map_.columns.size() / (turned_ ? 32 : 16);
    for (size_t c = 0; c < map_.columns.size(); c += every_column) {
      const double x = left_ + cell_width_ * (static_cast<double>(c) + 0.5);
      column_name({x, bottom_ + (turned_ ? 8 : 17)}, map_.columns[c]);
    }
    canvas_.text({(left_ + kMapWidth - kMapRight) / 2, below() + 38}, map_.x_title, kMapText + 1,
                 Anchor::kMiddle);
    const double middle = (top_ + bottom_) / 2;
    canvas_.text({16, middle}, map_.y_title, kMapText + 1, Anchor::kMiddle,
                 " transform=\"rotate(-90 16 " + fixed(middle, 0) + ")\"");
  }

  void column_name(Point at, const std::string& name) {
    if (!turned_) return canvas_.text(at, name, kMapText, Anchor::kMiddle);
    const std::string place = fixed(at.x + 4, 0) + " " + fixed(at.y, 0);
    canvas_.text({at.x + 4, at.y}, name, kMapText, Anchor::kEnd,
                 " transform=\"rotate(-90 " + place + ")\"");
  }

  /// Where what stands under the columns' names begins.
  double below() const { return bottom_ + (turned_ ? column_text_ - 8 : 0); }

  const HeatMap& map_;
  double top_;  ///< Of the cells.
  double left_ = 40;
  double cell_width_ = 0, row_height_ = 0, bottom_ = 0;
  double low_ = 0, high_ = 1;
  double column_text_ = 0;  ///< Width of the widest column's name.
  bool turned_ = false;     ///< Columns' names stand upright, for want of width.
  SvgCanvas canvas_;
};

}  // namespace

std::string to_svg(const HeatMap& map, SvgHeading heading) {
  return HeatMapDrawing(map, heading).draw();
}

}  // namespace flatenn::report
