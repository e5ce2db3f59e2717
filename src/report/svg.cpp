#include <algorithm>
#include <cmath>

#include "flatenn/report/report.h"
#include "report/end_labels.h"
#include "report/format.h"
#include "report/scale.h"
#include "report/svg_canvas.h"

namespace flatenn::report {
namespace {

constexpr double kLeft = 62;
constexpr double kRight = 14;
constexpr double kAxisRoom = 50;  ///< Below the plot: tick labels and the axis title.
constexpr double kLegendRow = 20;
constexpr double kText = 12;
constexpr double kRoomForLabels = 500;  ///< In narrower pictures the legend names the curves.

struct LegendEntry {
  std::string name;
  Style style;
  bool line = true;
  bool marker = true;
};

/// Lines up a figure's parts in one picture.
class FigureDrawing {
 public:
  FigureDrawing(const Figure& figure, SvgHeading heading, SvgSize size)
      : figure_(figure),
        size_(size),
        x_(figure.x, x_values(figure)),
        y_(figure.y, y_values(figure)),
        labels_(size.width < kRoomForLabels ? std::vector<EndLabel>{} : end_labels(figure, y_)),
        top_(heading == SvgHeading::kShown ? 36 : 10) {
    if (heading == SvgHeading::kShown)
      canvas_.text({kLeft, 20}, figure.title, 15, Anchor::kStart, " font-weight=\"bold\"");
  }

  std::string draw() {
    axes();
    canvas_.raw("<svg x=\"" + fixed(kLeft, 0) + "\" y=\"" + fixed(top_, 0) + "\" width=\"" +
                fixed(plot_width(), 0) + "\" height=\"" + fixed(size_.plot_height, 0) + "\">\n");
    for (const Series& series : figure_.series) band(series);
    for (const ReferenceLine& line : figure_.references) reference(line);
    for (const Series& series : figure_.series) curve(series);
    canvas_.raw("</svg>\n");
    for (const EndLabel& label : labels_) end_label(label);
    const double height = legend();
    return canvas_.finish(size_.width, height, figure_.title);
  }

 private:
  /// Right of the plot: the names of the curves.
  double right() const {
    double room = kRight;
    for (const EndLabel& label : labels_)
      room = std::max(room, kRight + text_width(short_name(label.name), kText));
    return room;
  }
  double plot_width() const { return size_.width - kLeft - right(); }
  /// Within the plot area.
  Point inside(double x, double y) const {
    return {x_.position(x) * plot_width(), (1 - y_.position(y)) * size_.plot_height};
  }
  bool drawable(double x, double y) const {
    return std::isfinite(x) && std::isfinite(y) && (!figure_.x.log || x > 0) &&
           (!figure_.y.log || y > 0);
  }

  void axes() {
    const double bottom = top_ + size_.plot_height;
    const std::string grid = " stroke=\"#d8dde3\" stroke-width=\"1\"";
    const std::string minor = " stroke=\"#eef1f4\" stroke-width=\"1\"";
    for (const Tick& tick : x_.ticks()) {
      const double x = kLeft + x_.position(tick.value) * plot_width();
      canvas_.line({x, top_}, {x, bottom}, tick.label.empty() ? minor : grid);
      canvas_.text({x, bottom + 17}, tick.label, kText, Anchor::kMiddle);
    }
    for (const Tick& tick : y_.ticks()) {
      const double y = top_ + (1 - y_.position(tick.value)) * size_.plot_height;
      canvas_.line({kLeft, y}, {kLeft + plot_width(), y}, tick.label.empty() ? minor : grid);
      canvas_.text({kLeft - 7, y + 4}, tick.label, kText, Anchor::kEnd);
    }
    canvas_.rectangle({kLeft, top_}, plot_width(), size_.plot_height,
                      " fill=\"none\" stroke=\"#6b7680\" stroke-width=\"1\"");
    canvas_.text({kLeft + plot_width() / 2, bottom + 38}, figure_.x.title, kText + 1,
                 Anchor::kMiddle);
    const std::string turned =
        " transform=\"rotate(-90 16 " + fixed(top_ + size_.plot_height / 2, 0) + ")\"";
    canvas_.text({16, top_ + size_.plot_height / 2}, figure_.y.title, kText + 1, Anchor::kMiddle,
                 turned);
  }

  void band(const Series& series) {
    if (series.low.empty() || series.faint) return;
    std::vector<Point> outline;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (drawable(series.x[i], series.high[i]))
        outline.push_back(inside(series.x[i], series.high[i]));
    }
    for (size_t i = series.x.size(); i-- > 0;) {
      if (drawable(series.x[i], series.low[i]))
        outline.push_back(inside(series.x[i], series.low[i]));
    }
    canvas_.polygon(outline, " fill=\"" + palette_colour(series.style.colour) +
                                 "\" fill-opacity=\"0.15\" stroke=\"none\"");
  }

  void reference(const ReferenceLine& line) {
    canvas_.line({0, inside(x_.low(), line.y).y}, {plot_width(), inside(x_.low(), line.y).y},
                 stroke_of({line.style.colour, Dash::kDotted, Marker::kNone}, 1.2));
  }

  void curve(const Series& series) {
    std::vector<Point> points;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (drawable(series.x[i], series.y[i])) points.push_back(inside(series.x[i], series.y[i]));
    }
    if (series.line) {
      canvas_.polyline(points, stroke_of(series.style, series.faint ? 0.7 : 2) +
                                   (series.faint ? " stroke-opacity=\"0.55\"" : ""));
    }
    if (series.faint) return;
    for (const Point& point : points) canvas_.marker(point, series.style, 3.6);
  }

  void end_label(const EndLabel& label) {
    canvas_.text({kLeft + plot_width() + 6, top_ + (1 - label.position) * size_.plot_height + 4},
                 short_name(label.name), kText, Anchor::kStart,
                 " fill=\"" + label_colour(label.colour) + "\"");
  }

  std::vector<LegendEntry> legend_entries() const {
    std::vector<LegendEntry> entries;
    const auto add = [&](const LegendEntry& entry) {
      const auto same = [&](const LegendEntry& other) { return other.name == entry.name; };
      if (!entry.name.empty() && std::none_of(entries.begin(), entries.end(), same))
        entries.push_back(entry);
    };
    for (const Series& series : figure_.series) {
      if (!series.faint) add({series.name, series.style, series.line, true});
    }
    for (const ReferenceLine& line : figure_.references) {
      add({line.name, {line.style.colour, Dash::kDotted, Marker::kNone}, true, false});
    }
    return entries;
  }

  /// Draws the legend in as many rows as it needs; returns the height of the picture.
  double legend() {
    constexpr double kSample = 34, kGap = 22;
    double x = kLeft;
    double y = top_ + size_.plot_height + kAxisRoom + 12;
    for (const LegendEntry& entry : legend_entries()) {
      const double width = kSample + text_width(short_name(entry.name), kText) + kGap;
      if (x + width > size_.width && x > kLeft) {
        x = kLeft;
        y += kLegendRow;
      }
      if (entry.line) canvas_.line({x, y - 4}, {x + 28, y - 4}, stroke_of(entry.style, 2));
      if (entry.marker) canvas_.marker({x + 14, y - 4}, entry.style, 3.6);
      canvas_.text({x + kSample, y}, short_name(entry.name), kText, Anchor::kStart);
      x += width;
    }
    return y + 12;
  }

  const Figure& figure_;
  SvgSize size_;
  Scale x_, y_;
  std::vector<EndLabel> labels_;
  double top_;  ///< Of the plot area.
  SvgCanvas canvas_;
};

}  // namespace

std::string to_svg(const Figure& figure, SvgHeading heading, SvgSize size) {
  return FigureDrawing(figure, heading, size).draw();
}

}  // namespace flatenn::report
