#include "flatenn/base/version.h"
#include "flatenn/report/report.h"
#include "report/assets.h"
#include "report/format.h"
#include "report/html.h"
#include "report/plotly.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

json figures_json(const std::vector<Section>& sections) {
  json figures = json::object();
  for (const Section& section : sections) {
    for (const Block& block : section.blocks) {
      if (const auto* figure = std::get_if<Figure>(&block))
        figures[figure->id] = to_plotly(*figure);
      if (const auto* map = std::get_if<HeatMap>(&block)) figures[map->id] = to_plotly(*map);
      if (const auto* contour = std::get_if<Contour>(&block))
        figures[contour->id] = to_plotly(*contour);
    }
  }
  return figures;
}

std::string contents(const std::vector<Section>& sections) {
  std::string html = "<nav aria-label=\"Contents\"><ul>";
  for (const Section& section : sections) {
    html += "<li><a href=\"#" + escape_html(section.id) + "\">" + escape_html(section.title) +
            "</a></li>";
  }
  return html + "</ul></nav>\n";
}

std::string data_element(const std::string& id, const json& content) {
  return "<script type=\"application/json\" id=\"" + id + "\">" +
         embeddable(content.dump(-1, ' ', false, json::error_handler_t::replace)) + "</script>\n";
}

std::string script(std::string_view text) {
  return "<script>\n" + std::string(text) + "\n</script>\n";
}

}  // namespace

std::string render_page(const Findings& findings) {
  const std::vector<Section> sections = build_sections(findings);
  const std::string title = escape_html(findings.title);
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>" +
      title + "</title>\n<style>\n" + std::string(page_css()) +
      "</style>\n</head>\n<body>\n<header>\n<h1>" + title + "</h1>\n" + contents(sections) +
      "</header>\n<main>\n";
  for (const Section& section : sections) html += section_html(section);
  html += "</main>\n<footer>Made by flatenn " + escape_html(version()) +
          ". Figures are drawn by Plotly.js (MIT licence), which this page carries.</footer>\n";
  html += data_element("flatenn-data", findings_to_json(findings));
  html += data_element("flatenn-figures", figures_json(sections));
  html += script(plotly_js()) + script(page_js());
  return html + "</body>\n</html>\n";
}

}  // namespace flatenn::report
