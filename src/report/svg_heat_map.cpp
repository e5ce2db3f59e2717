#include <algorithm>
#include <cmath>
#include <tuple>

#include "flatenn/report/report.h"
#include "report/colour_scale.h"
#include "report/format.h"
#include "report/svg_canvas.h"

namespace flatenn::report {
namespace {

constexpr double kWidth = 720;
constexpr double kRight = 14;
constexpr double kText = 12;
constexpr double kRowHeight = 30;
constexpr double kMaxHeight = 400;   ///< Of the cells together.
constexpr size_t kMaxNumbers = 400;  ///< Cells; in more, numbers would not be readable.

/// Lines up a heat map's parts in one picture.
class HeatMapDrawing {
 public:
  HeatMapDrawing(const HeatMap& map, SvgHeading heading)
      : map_(map), top_(heading == SvgHeading::kShown ? 40 : 10) {
    for (const std::string& row : map.rows)
      left_ = std::max(left_, text_width(short_name(row), kText) + 34);
    const auto rows = static_cast<double>(std::max<size_t>(1, map.rows.size()));
    const auto columns = static_cast<double>(std::max<size_t>(1, map.columns.size()));
    cell_width_ = (kWidth - left_ - kRight) / columns;
    row_height_ = std::min(kRowHeight, kMaxHeight / rows);
    bottom_ = top_ + row_height_ * rows;
    std::tie(low_, high_) = value_range(map);
    if (heading == SvgHeading::kShown)
      canvas_.text({left_, 20}, map.title, 15, Anchor::kStart, " font-weight=\"bold\"");
  }

  std::string draw() {
    for (size_t r = 0; r < map_.rows.size(); ++r) {
      for (size_t c = 0; c < map_.columns.size(); ++c) cell(r, c);
    }
    names();
    canvas_.text({left_, bottom_ + 60},
                 map_.value_title + ": " + fixed(low_, map_.decimals) + " (light) to " +
                     fixed(high_, map_.decimals) + " (dark)",
                 kText, Anchor::kStart);
    return canvas_.finish(kWidth, bottom_ + 72, map_.title);
  }

 private:
  void cell(size_t r, size_t c) {
    const double value = map_.values[r][c];
    if (!std::isfinite(value)) return;
    const Point corner{left_ + cell_width_ * static_cast<double>(c),
                       top_ + row_height_ * static_cast<double>(r)};
    const double position = (value - low_) / (high_ - low_);
    const bool numbers = map_.rows.size() * map_.columns.size() <= kMaxNumbers;
    canvas_.rectangle(
        corner, cell_width_, row_height_,
        " fill=\"" + scale_colour(position) + "\"" + (numbers ? " stroke=\"#ffffff\"" : ""));
    if (!numbers) return;
    canvas_.text({corner.x + cell_width_ / 2, corner.y + row_height_ / 2 + 4},
                 fixed(value, map_.decimals), kText, Anchor::kMiddle,
                 wants_white_text(position) ? " fill=\"#ffffff\"" : "");
  }

  void names() {
    const size_t every_row = 1 + map_.rows.size() / 26;
    for (size_t r = 0; r < map_.rows.size(); r += every_row) {
      const double y = top_ + row_height_ * (static_cast<double>(r) + 0.5);
      canvas_.text({left_ - 7, y + 4}, short_name(map_.rows[r]), kText, Anchor::kEnd);
    }
    const size_t every_column = 1 + map_.columns.size() / 16;
    for (size_t c = 0; c < map_.columns.size(); c += every_column) {
      const double x = left_ + cell_width_ * (static_cast<double>(c) + 0.5);
      canvas_.text({x, bottom_ + 17}, map_.columns[c], kText, Anchor::kMiddle);
    }
    canvas_.text({(left_ + kWidth - kRight) / 2, bottom_ + 38}, map_.x_title, kText + 1,
                 Anchor::kMiddle);
    const double middle = (top_ + bottom_) / 2;
    canvas_.text({16, middle}, map_.y_title, kText + 1, Anchor::kMiddle,
                 " transform=\"rotate(-90 16 " + fixed(middle, 0) + ")\"");
  }

  const HeatMap& map_;
  double top_;  ///< Of the cells.
  double left_ = 40;
  double cell_width_ = 0, row_height_ = 0, bottom_ = 0;
  double low_ = 0, high_ = 1;
  SvgCanvas canvas_;
};

}  // namespace

std::string to_svg(const HeatMap& map, SvgHeading heading) {
  return HeatMapDrawing(map, heading).draw();
}

}  // namespace flatenn::report
