#pragma once

#include <string>
#include <vector>

#include "flatenn/report/figure.h"

namespace flatenn::report {

struct Point {
  double x = 0;
  double y = 0;
};

enum class Anchor { kStart, kMiddle, kEnd };

/// Collects SVG elements; coordinates are pixels from the top left.
class SvgCanvas {
 public:
  void text(Point at, const std::string& text, double size, Anchor anchor,
            const std::string& extra = "");
  void line(Point from, Point to, const std::string& style);
  void polyline(const std::vector<Point>& points, const std::string& style);
  void polygon(const std::vector<Point>& points, const std::string& style);
  void rectangle(Point corner, double width, double height, const std::string& style);
  void marker(Point at, const Style& style, double size);
  void raw(const std::string& element) { body_ += element; }

  /// The finished image. `title` is what screen readers say.
  std::string finish(double width, double height, const std::string& title) const;

 private:
  std::string body_;
};

/// Attributes of a series' line: colour, width and dash pattern.
std::string stroke_of(const Style& style, double width);
/// Width of a text in pixels, near enough to lay out a legend.
double text_width(const std::string& text, double size);

}  // namespace flatenn::report
