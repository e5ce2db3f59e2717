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

std::string render_live_page(const Findings& findings, int64_t seconds) {
  std::string page = render_page(findings);
  const std::string head = "<head>\n";
  const size_t at = page.find(head) + head.size();
  page.insert(at, "<meta http-equiv=\"refresh\" content=\"" + std::to_string(seconds) + "\">\n");
  return page;
}

std::string render_page(const Findings& findings) {
  const std::vector<Section> sections = build_sections(findings);
  const std::string title = escape_html(findings.title);
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>" +
      title + "</title>\n<style>\n" + std::string(page_css()) +
      "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">To the content</a>\n"
      "<header>\n<h1>" +
      title + "</h1>\n</header>\n" + contents(sections) + "<main id=\"content\">\n";
  for (const Section& section : sections) html += section_html(section);
  html += "</main>\n<footer>Made by flatenn " + escape_html(version()) +
          ". Figures are drawn by Plotly.js (MIT licence), which this page carries.</footer>\n";
  html += data_element("flatenn-data", findings_to_json(findings));
  html += data_element("flatenn-figures", figures_json(sections));
  // Of another type, so that the browser shows the page before it parses a megabyte of code.
  html += "<script type=\"text/plain\" id=\"plotly\">\n" + std::string(plotly_js()) +
          "\n</script>\n" + script(page_js());
  return html + "</body>\n</html>\n";
}

}  // namespace flatenn::report
