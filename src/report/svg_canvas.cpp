#include "report/svg_canvas.h"

#include "report/format.h"

namespace flatenn::report {
namespace {

std::string written(double value) {
  const std::string text = fixed(value, 2);
  const size_t last = text.find_last_not_of('0');
  return text.substr(0, text[last] == '.' ? last : last + 1);
}

std::string attribute(const std::string& name, double value) {
  return " " + name + "=\"" + written(value) + "\"";
}

std::string list(const std::vector<Point>& points) {
  std::string out = " points=\"";
  for (const Point& point : points) out += written(point.x) + "," + written(point.y) + " ";
  if (!points.empty()) out.pop_back();
  return out + "\"";
}

std::string dashes(Dash dash) {
  switch (dash) {
    case Dash::kSolid:
      break;
    case Dash::kDashed:
      return " stroke-dasharray=\"7 4\"";
    case Dash::kDotted:
      return " stroke-dasharray=\"1.5 3\"";
    case Dash::kDashDot:
      return " stroke-dasharray=\"8 3 2 3\"";
  }
  return "";
}

const char* anchor_name(Anchor anchor) {
  switch (anchor) {
    case Anchor::kStart:
      break;
    case Anchor::kMiddle:
      return "middle";
    case Anchor::kEnd:
      return "end";
  }
  return "start";
}

}  // namespace

std::string stroke_of(const Style& style, double width) {
  return " fill=\"none\" stroke=\"" + palette_colour(style.colour) + "\"" +
         attribute("stroke-width", width) + dashes(style.dash);
}

double text_width(const std::string& text, double size) {
  constexpr double kMeanGlyph = 0.56;  // of Helvetica-like faces, mixed text
  return kMeanGlyph * size * static_cast<double>(text.size());
}

void SvgCanvas::text(Point at, const std::string& text, double size, Anchor anchor,
                     const std::string& extra) {
  body_ += "<text" + attribute("x", at.x) + attribute("y", at.y) + attribute("font-size", size) +
           " text-anchor=\"" + anchor_name(anchor) + "\"" + extra + ">" + escape_html(text) +
           "</text>\n";
}

void SvgCanvas::line(Point from, Point to, const std::string& style) {
  body_ += "<line" + attribute("x1", from.x) + attribute("y1", from.y) + attribute("x2", to.x) +
           attribute("y2", to.y) + style + "/>\n";
}

void SvgCanvas::polyline(const std::vector<Point>& points, const std::string& style) {
  body_ += "<polyline" + list(points) + style + "/>\n";
}

void SvgCanvas::polygon(const std::vector<Point>& points, const std::string& style) {
  body_ += "<polygon" + list(points) + style + "/>\n";
}

void SvgCanvas::rectangle(Point corner, double width, double height, const std::string& style) {
  body_ += "<rect" + attribute("x", corner.x) + attribute("y", corner.y) +
           attribute("width", width) + attribute("height", height) + style + "/>\n";
}

void SvgCanvas::marker(Point at, const Style& style, double size) {
  const std::string& colour = palette_colour(style.colour);
  const std::string fill =
      " fill=\"" +
      (style.hollow ? "#ffffff\" stroke=\"" + colour + "\" stroke-width=\"1.4" : colour) + "\"";
  const double s = size;
  switch (style.marker) {
    case Marker::kCircle:
      body_ += "<circle" + attribute("cx", at.x) + attribute("cy", at.y) + attribute("r", s) +
               fill + "/>\n";
      break;
    case Marker::kSquare:
      rectangle({at.x - s, at.y - s}, 2 * s, 2 * s, fill);
      break;
    case Marker::kDiamond:
      polygon({{at.x, at.y - 1.3 * s},
               {at.x + 1.3 * s, at.y},
               {at.x, at.y + 1.3 * s},
               {at.x - 1.3 * s, at.y}},
              fill);
      break;
    case Marker::kTriangle:
      polygon({{at.x, at.y - 1.2 * s}, {at.x + 1.2 * s, at.y + s}, {at.x - 1.2 * s, at.y + s}},
              fill);
      break;
    case Marker::kCross: {
      const std::string stroke = " fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"2\"";
      line({at.x - s, at.y - s}, {at.x + s, at.y + s}, stroke);
      line({at.x - s, at.y + s}, {at.x + s, at.y - s}, stroke);
      break;
    }
    case Marker::kNone:
      break;
  }
}

std::string SvgCanvas::finish(double width, double height, const std::string& title) const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + written(width) + " " +
         written(height) + "\"" + attribute("width", width) + attribute("height", height) +
         " role=\"img\" font-family=\"Helvetica, Arial, sans-serif\" fill=\"#1b1f24\">\n<title>" +
         escape_html(title) + "</title>\n" + body_ + "</svg>\n";
}

}  // namespace flatenn::report
