#include "report/html.h"

#include "flatenn/report/report.h"
#include "report/describe.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

std::string tag(const std::string& name, const std::string& text,
                const std::string& attributes = "") {
  return "<" + name + attributes + ">" + escape_html(text) + "</" + name + ">";
}

bool is_numeric(const Table& table, size_t column) {
  for (const auto& row : table.rows) {
    if (!std::holds_alternative<std::string>(row[column])) return true;
  }
  return false;
}

std::string number_html(double value, const std::string& shown) {
  return tag("td", shown, " class=\"number\" data-value=\"" + exact(value) + "\"");
}

std::string cell_html(const Field& field, const Column& column) {
  if (const auto* number = std::get_if<double>(&field))
    return number_html(*number, fixed(*number, column.decimals));
  if (const auto* bound = std::get_if<Bound>(&field)) {
    return number_html(bound->value, bound->sign + "\u00a0" + fixed(bound->value, column.decimals));
  }
  return tag("td", std::get<std::string>(field));
}

/// The still picture is shown until Plotly draws the other one; neither is read aloud, the words
/// are.
template <typename Picture>
std::string picture_html(const Picture& picture) {
  const std::string id = escape_html(picture.id);
  return "<figure id=\"" + id + "\">\n" + tag("h3", picture.title) +
         "\n<div class=\"plot\" aria-hidden=\"true\" data-figure=\"" + id +
         "\"></div>\n<div class=\"still\" aria-hidden=\"true\">" +
         to_svg(picture, SvgHeading::kLeftOut) + "</div>\n" +
         tag("p", describe(picture), " class=\"told\"") + "\n" +
         tag("figcaption", picture.caption) + "\n</figure>\n";
}

std::string chips_html(const Chips& chips) {
  std::string html = "<ul class=\"chips\" aria-label=\"Verdicts\">\n";
  for (const Chip& chip : chips.chips) {
    html += "<li class=\"" + escape_html(chip.verdict) + "\"><strong>" + escape_html(chip.verdict) +
            "</strong> " + escape_html(chip.text);
    if (!chip.why.empty()) html += tag("small", chip.why);
    html += "</li>\n";
  }
  return html + "</ul>\n";
}

std::string cells_of(const Table& table, const std::vector<Field>& row) {
  std::string cells;
  for (size_t i = 0; i < row.size(); ++i) {
    if (!table.columns[i].csv_only) cells += cell_html(row[i], table.columns[i]);
  }
  return cells;
}

std::string head_of(const Table& table) {
  std::string head;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].csv_only) continue;
    head += "<th scope=\"col\"" + std::string(is_numeric(table, i) ? " class=\"number\"" : "") +
            "><button type=\"button\">" + escape_html(table.columns[i].title) + "</button></th>";
  }
  return head;
}

std::string scroll_html(const Table& table, const std::string& body) {
  return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
         escape_html(table.title) + "\"><table><thead><tr>" + head_of(table) +
         "</tr></thead>\n<tbody>\n" + body + "</tbody></table></div>\n";
}

/// The form's script computes the rows again; they are marked by what they tell of.
std::string designer_html(const Designer& designer) {
  const Table& table = designer.table;
  const std::string id = escape_html(table.id);
  std::string body;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    body += "<tr data-tolerance=\"" + std::to_string(i) + "\">" + cells_of(table, table.rows[i]) +
            "</tr>\n";
  }
  std::string names;
  for (const Column& column : table.columns) names += (names.empty() ? "" : " ") + column.csv_name;
  return "<div class=\"table designer\" id=\"table-" + id + "\" data-plan=\"" +
         std::to_string(designer.plan) + "\" data-columns=\"" + escape_html(names) + "\">\n" +
         tag("h3", table.title) + "\n<form hidden><label for=\"need-" + id +
         "\">Accuracy needed (%)</label> <input id=\"need-" + id +
         "\" name=\"need\" type=\"number\" min=\"0\" max=\"100\" step=\"0.1\" "
         "inputmode=\"decimal\"> <span>or</span> <label for=\"drop-" +
         id + "\">points that may be lost</label> <input id=\"drop-" + id +
         "\" name=\"drop\" type=\"number\" min=\"0\" max=\"100\" step=\"0.1\" value=\"" +
         exact(designer.drop_points) + "\" inputmode=\"decimal\"></form>\n" +
         "<p class=\"asked\" aria-live=\"polite\">For at most " +
         counted(designer.drop_points, "point") + " below fault-free.</p>\n" +
         scroll_html(table, body) + tag("p", table.caption, " class=\"caption\"") + "</div>\n";
}

struct BlockWriter {
  std::string operator()(const Paragraph& paragraph) const {
    if (paragraph.lead) return tag("p", paragraph.text, " class=\"lead\"") + "\n";
    if (!paragraph.warning) return tag("p", paragraph.text) + "\n";
    return "<p class=\"warning\"><strong>Warning.</strong> " + escape_html(paragraph.text) +
           "</p>\n";
  }
  std::string operator()(const Figure& figure) const { return picture_html(figure); }
  std::string operator()(const HeatMap& map) const { return picture_html(map); }
  std::string operator()(const Contour& contour) const { return picture_html(contour); }
  std::string operator()(const Table& table) const { return table_html(table); }
  std::string operator()(const Listing& listing) const {
    return "<details class=\"listing\">" + tag("summary", listing.title) +
           tag("pre", listing.text, " tabindex=\"0\"") + "</details>\n";
  }
  std::string operator()(const Chips& chips) const { return chips_html(chips); }
  std::string operator()(const Designer& designer) const { return designer_html(designer); }
};

bool is_figure(const Block& block) {
  return std::holds_alternative<Figure>(block) || std::holds_alternative<HeatMap>(block) ||
         std::holds_alternative<Contour>(block);
}

}  // namespace

std::string table_html(const Table& table) {
  std::string body;
  for (const auto& row : table.rows) body += "<tr>" + cells_of(table, row) + "</tr>\n";
  const std::string rows =
      std::to_string(table.rows.size()) + (table.rows.size() == 1 ? " row" : " rows");
  std::string html = "<div class=\"table\" id=\"table-" + escape_html(table.id) + "\">\n" +
                     tag("h3", table.title) + "\n";
  if (!table.caption.empty()) html += tag("p", table.caption, " class=\"caption\"") + "\n";
  if (!table.open) html += "<details><summary>Show " + rows + "</summary>\n";
  html += scroll_html(table, body);
  if (!table.open) html += "</details>\n";
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
