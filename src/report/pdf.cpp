#include <charconv>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "flatenn/base/error.h"
#include "flatenn/report/report.h"
#include "report/format.h"
#include "report/svg_canvas.h"

namespace flatenn::report {
namespace {

using Attributes = std::map<std::string, std::string>;

/// One element of an image that svg_canvas.cpp wrote.
struct Element {
  std::string name;  ///< "/svg" where it ends a nested picture.
  Attributes attributes;
  std::string text;  ///< Up to the next tag, unescaped.
};

std::string unescaped(std::string text) {
  const std::pair<const char*, const char*> entities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
  for (const auto& [entity, plain] : entities) {
    for (size_t at = text.find(entity); at != std::string::npos; at = text.find(entity, at + 1))
      text.replace(at, std::string_view(entity).size(), plain);
  }
  return text;
}

Attributes read_attributes(const std::string& tag, size_t at) {
  Attributes attributes;
  while ((at = tag.find("=\"", at)) != std::string::npos) {
    const size_t name = tag.rfind(' ', at) + 1;
    const size_t end = tag.find('"', at + 2);
    FLATENN_CHECK(end != std::string::npos, "svg_to_pdf: an attribute has no end");
    attributes[tag.substr(name, at - name)] = tag.substr(at + 2, end - at - 2);
    at = end + 1;
  }
  return attributes;
}

std::vector<Element> elements_of(const std::string& svg) {
  std::vector<Element> elements;
  for (size_t at = svg.find('<'); at != std::string::npos;) {
    const size_t end = svg.find('>', at);
    FLATENN_CHECK(end != std::string::npos, "svg_to_pdf: a tag has no end");
    const std::string tag = svg.substr(at + 1, end - at - 1);
    const size_t name_end = tag.find_first_of(" /", 1);
    const size_t next = svg.find('<', end);
    elements.push_back({.name = tag.substr(0, name_end),
                        .attributes = read_attributes(tag, 0),
                        .text = unescaped(svg.substr(end + 1, next - end - 1))});
    at = next;
  }
  return elements;
}

double number(const Element& element, const std::string& name, double fallback = 0) {
  const auto found = element.attributes.find(name);
  return found == element.attributes.end() ? fallback : std::strtod(found->second.c_str(), nullptr);
}

std::string text(const Element& element, const std::string& name, const std::string& fallback) {
  const auto found = element.attributes.find(name);
  return found == element.attributes.end() ? fallback : found->second;
}

std::string digits(double value) { return fixed(value, 3) + " "; }

/// "#rrggbb" as three shares.
std::string colour(const std::string& hex) {
  std::string out;
  for (const size_t at : {1U, 3U, 5U}) {
    int value = 0;
    if (hex.size() == 7) std::from_chars(hex.data() + at, hex.data() + at + 2, value, 16);
    out += digits(value / 255.0);
  }
  return out;
}

/// Helvetica's own alphabet (WinAnsi); what it lacks is spelled.
std::string win_ansi(const std::string& utf8) {
  const std::pair<const char*, const char*> known[] = {
      {"±", "\xb1"},   {"−", "\x96"}, {"–", "\x96"}, {"µ", "\xb5"}, {"×", "\xd7"},
      {"≥", ">="},     {"≤", "<="},   {"‖", "||"},   {"→", "->"},   {"é", "\xe9"},
      {"\u00a0", " "}, {"ü", "\xfc"}, {"ö", "\xf6"}, {"ä", "\xe4"}};
  std::string out;
  for (size_t at = 0; at < utf8.size();) {
    const auto byte = static_cast<unsigned char>(utf8[at]);
    if (byte < 0x80) {
      out += utf8[at++];
      continue;
    }
    std::string spelled = "?";
    const size_t length = byte >= 0xf0 ? 4U : byte >= 0xe0 ? 3U : 2U;
    for (const auto& [sign, plain] : known) {
      if (utf8.compare(at, std::string_view(sign).size(), sign) == 0) spelled = plain;
    }
    out += spelled;
    at += length;
  }
  return out;
}

std::string literal(const std::string& text) {
  std::string out = "(";
  for (const char c : win_ansi(text)) {
    if (c == '(' || c == ')' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + ")";
}

/// Writes the page's content, with y growing downwards as in SVG.
class PageWriter {
 public:
  std::string write(const std::vector<Element>& elements) {
    for (const Element& element : elements) add(element);
    return out_;
  }
  /// Opacities used, by their name in the resources.
  const std::map<std::string, std::string>& opacities() const { return opacities_; }

 private:
  void add(const Element& element) {
    if (element.name == "svg") return begin_picture(element);
    if (element.name == "/svg") return end_picture();
    if (element.name == "text") return add_text(element);
    if (element.name == "line") {
      shape(element, digits(number(element, "x1")) + digits(number(element, "y1")) + "m " +
                         digits(number(element, "x2")) + digits(number(element, "y2")) + "l ");
    } else if (element.name == "polyline" || element.name == "polygon") {
      shape(element, path(text(element, "points", ""), element.name == "polygon"));
    } else if (element.name == "rect") {
      shape(element, digits(number(element, "x")) + digits(number(element, "y")) +
                         digits(number(element, "width")) + digits(number(element, "height")) +
                         "re ");
    } else if (element.name == "path") {
      shape(element, outlines(text(element, "d", "")));
    } else if (element.name == "circle") {
      shape(element, circle(number(element, "cx"), number(element, "cy"), number(element, "r")));
    } else {
      const bool silent = element.name == "title" || element.name.starts_with('/');
      FLATENN_CHECK(silent, "svg_to_pdf: unknown element '", element.name, "'");
    }
  }

  /// The outermost picture is the page; one inside moves and cuts what it holds.
  void begin_picture(const Element& element) {
    out_ += "q ";
    if (depth_++ == 0) return;
    out_ += "1 0 0 1 " + digits(number(element, "x")) + digits(number(element, "y")) + "cm 0 0 " +
            digits(number(element, "width")) + digits(number(element, "height")) + "re W n\n";
  }
  void end_picture() {
    --depth_;
    out_ += "Q\n";
  }

  static std::string path(const std::string& points, bool closed) {
    std::string out;
    std::istringstream stream(points);
    std::string pair;
    while (stream >> pair) {
      const size_t comma = pair.find(',');
      if (comma == std::string::npos) continue;
      out += pair.substr(0, comma) + " " + pair.substr(comma + 1) + (out.empty() ? " m " : " l ");
    }
    return closed ? out + "h " : out;
  }

  /// "M1 2L3 4Z...": closed outlines of straight lines.
  static std::string outlines(const std::string& data) {
    std::string out;
    char command = 'M';
    for (size_t at = 0; at < data.size();) {
      const size_t next = data.find_first_of("MLZ", at + 1);
      command = data[at];
      if (command == 'Z') {
        out += "h ";
      } else {
        out += data.substr(at + 1, next - at - 1) + (command == 'M' ? " m " : " l ");
      }
      at = next == std::string::npos ? data.size() : next;
    }
    return out;
  }

  static std::string circle(double x, double y, double r) {
    const double k = 0.5523 * r;  // of a quarter's control points
    const auto curve = [&](double ax, double ay, double bx, double by, double cx, double cy) {
      return digits(x + ax) + digits(y + ay) + digits(x + bx) + digits(y + by) + digits(x + cx) +
             digits(y + cy) + "c ";
    };
    return digits(x + r) + digits(y) + "m " + curve(r, k, k, r, 0, r) + curve(-k, r, -r, k, -r, 0) +
           curve(-r, -k, -k, -r, 0, -r) + curve(k, -r, r, -k, r, 0) + "h ";
  }

  void set_opacity(const Element& element) {
    const std::string fill = text(element, "fill-opacity", "1");
    const std::string stroke = text(element, "stroke-opacity", "1");
    if (fill == "1" && stroke == "1") return;
    const std::string state = "/ca " + fill + " /CA " + stroke;
    const auto found = opacities_.try_emplace(state, "G" + std::to_string(opacities_.size()));
    out_ += "/" + found.first->second + " gs ";
  }

  void shape(const Element& element, const std::string& path) {
    if (path.empty()) return;
    const std::string fill = text(element, "fill", "#1b1f24");
    const std::string stroke = text(element, "stroke", "none");
    out_ += "q ";
    set_opacity(element);
    if (fill != "none") out_ += colour(fill) + "rg ";
    if (stroke != "none") {
      out_ += colour(stroke) + "RG " + digits(number(element, "stroke-width", 1)) + "w ";
      out_ += "[" + text(element, "stroke-dasharray", "") + "] 0 d ";
    }
    const bool fills = fill != "none" && element.name != "line" && element.name != "polyline";
    out_ += path +
            (fills && stroke != "none" ? "B"
             : fills                   ? "f"
             : stroke != "none"        ? "S"
                                       : "n") +
            " Q\n";
  }

  void add_text(const Element& element) {
    const double size = number(element, "font-size", 12);
    const std::string anchor = text(element, "text-anchor", "start");
    const double width = text_width(win_ansi(element.text), size);
    const double shift = anchor == "end" ? -width : anchor == "middle" ? -width / 2 : 0;
    const bool turned = text(element, "transform", "").starts_with("rotate(-90");
    const bool bold = text(element, "font-weight", "") == "bold";
    const double x = number(element, "x"), y = number(element, "y");
    // The page is upside down: text is turned back.
    const std::string place = turned ? "0 -1 -1 0 " + digits(x) + digits(y - shift)
                                     : "1 0 0 -1 " + digits(x + shift) + digits(y);
    out_ += "BT " + colour(text(element, "fill", "#1b1f24")) + "rg /F" + (bold ? "2 " : "1 ") +
            digits(size) + "Tf " + place + "Tm " + literal(element.text) + " Tj ET\n";
  }

  std::string out_;
  int depth_ = 0;
  std::map<std::string, std::string> opacities_;
};

/// Objects one after the other, with the table of where they begin.
class Document {
 public:
  void add(const std::string& content) {
    starts_.push_back(text_.size());
    text_ += std::to_string(starts_.size()) + " 0 obj\n" + content + "\nendobj\n";
  }
  std::string finish() {
    const size_t table = text_.size();
    const std::string size = std::to_string(starts_.size() + 1);
    text_ += "xref\n0 " + size + "\n0000000000 65535 f \n";
    for (const size_t start : starts_) {
      std::string offset = std::to_string(start);
      text_ += std::string(10 - offset.size(), '0') + offset + " 00000 n \n";
    }
    return text_ + "trailer\n<< /Size " + size + " /Root 1 0 R >>\nstartxref\n" +
           std::to_string(table) + "\n%%EOF\n";
  }

 private:
  std::string text_ = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n";
  std::vector<size_t> starts_;
};

std::string font(const char* name) {
  return std::string("<< /Type /Font /Subtype /Type1 /BaseFont /") + name +
         " /Encoding /WinAnsiEncoding >>";
}

}  // namespace

std::string svg_to_pdf(const std::string& svg, double width_pt) {
  const std::vector<Element> elements = elements_of(svg);
  FLATENN_CHECK(!elements.empty() && elements.front().name == "svg", "svg_to_pdf: not an image");
  const double width = number(elements.front(), "width"),
               height = number(elements.front(), "height");
  FLATENN_CHECK(width > 0 && height > 0 && width_pt > 0, "svg_to_pdf: the image has no size");
  const double scale = width_pt / width;
  PageWriter writer;
  const std::string body = writer.write(elements);
  const std::string content =
      digits(scale) + "0 0 " + digits(-scale) + "0 " + digits(scale * height) + "cm\n" + body;
  std::string states;
  for (const auto& [state, name] : writer.opacities())
    states += "/" + name + " << " + state + " >> ";
  Document document;
  document.add("<< /Type /Catalog /Pages 2 0 R >>");
  document.add("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
  document.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 " + digits(width_pt) +
               digits(scale * height) +
               "] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 "
               "R >> /ExtGState << " +
               states + ">> >> >>");
  document.add("<< /Length " + std::to_string(content.size()) + " >>\nstream\n" + content +
               "\nendstream");
  document.add(font("Helvetica"));
  document.add(font("Helvetica-Bold"));
  return document.finish();
}

}  // namespace flatenn::report
