#include "report/html.h"

#include "flatenn/report/report.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

constexpr size_t kFoldRows = 14;  ///< Longer tables start folded.

std::string tag(const std::string& name, const std::string& text,
                const std::string& attributes = "") {
  return "<" + name + attributes + ">" + escape_html(text) + "</" + name + ">";
}

bool is_numeric(const Table& table, size_t column) {
  for (const auto& row : table.rows) {
    if (std::holds_alternative<double>(row[column])) return true;
  }
  return false;
}

std::string cell_html(const Field& field, const Column& column) {
  if (const auto* number = std::get_if<double>(&field)) {
    return "<td class=\"number\" data-value=\"" + exact(*number) + "\">" +
           fixed(*number, column.decimals) + "</td>";
  }
  return tag("td", std::get<std::string>(field));
}

template <typename Picture>
std::string picture_html(const Picture& picture) {
  return "<figure id=\"" + escape_html(picture.id) + "\">\n" + tag("h3", picture.title) +
         "\n<div class=\"plot\" data-figure=\"" + escape_html(picture.id) +
         "\"></div>\n<div class=\"still\">" + to_svg(picture, SvgHeading::kLeftOut) + "</div>\n" +
         tag("figcaption", picture.caption) + "\n</figure>\n";
}

struct BlockWriter {
  std::string operator()(const Paragraph& paragraph) const {
    if (!paragraph.warning) return tag("p", paragraph.text) + "\n";
    return "<p class=\"warning\"><strong>Warning.</strong> " + escape_html(paragraph.text) +
           "</p>\n";
  }
  std::string operator()(const Figure& figure) const { return picture_html(figure); }
  std::string operator()(const HeatMap& map) const { return picture_html(map); }
  std::string operator()(const Contour& contour) const { return picture_html(contour); }
  std::string operator()(const Table& table) const { return table_html(table); }
  std::string operator()(const Listing& listing) const {
    return "<details class=\"listing\"" + std::string(listing.text.size() < 600 ? " open" : "") +
           ">" + tag("summary", listing.title) + tag("pre", listing.text) + "</details>\n";
  }
};

bool is_figure(const Block& block) {
  return std::holds_alternative<Figure>(block) || std::holds_alternative<HeatMap>(block) ||
         std::holds_alternative<Contour>(block);
}

}  // namespace

std::string table_html(const Table& table) {
  std::string head, body;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    head += "<th scope=\"col\"" + std::string(is_numeric(table, i) ? " class=\"number\"" : "") +
            "><button type=\"button\">" + escape_html(table.columns[i].title) + "</button></th>";
  }
  for (const auto& row : table.rows) {
    body += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) body += cell_html(row[i], table.columns[i]);
    body += "</tr>\n";
  }
  const std::string rows = std::to_string(table.rows.size()) + " rows";
  const bool fold = table.rows.size() > kFoldRows;
  std::string html = "<div class=\"table\" id=\"table-" + escape_html(table.id) + "\">\n" +
                     tag("h3", table.title) + "\n";
  if (!table.caption.empty()) html += tag("p", table.caption, " class=\"caption\"") + "\n";
  if (fold) html += "<details><summary>Show " + rows + "</summary>\n";
  html += "<div class=\"scroll\"><table><thead><tr>" + head + "</tr></thead>\n<tbody>\n" + body +
          "</tbody></table></div>\n";
  if (fold) html += "</details>\n";
  return html + "</div>\n";
}

std::string section_html(const Section& section) {
  std::string html =
      "<section id=\"" + escape_html(section.id) + "\">\n" + tag("h2", section.title) + "\n";
  bool in_grid = false;
  for (const Block& block : section.blocks) {
    if (is_figure(block) != in_grid) {
      in_grid = !in_grid;
      html += in_grid ? "<div class=\"grid\">\n" : "</div>\n";
    }
    html += std::visit(BlockWriter{}, block);
  }
  if (in_grid) html += "</div>\n";
  return html + "</section>\n";
}

std::string embeddable(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    // '<' stands only inside JSON strings, where \u003c means the same.
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace flatenn::report
