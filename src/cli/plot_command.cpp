#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/text_table.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"

namespace flatenn::cli {
namespace {

struct PlotOptions {
  std::vector<std::string> inputs;
  std::string figure = "hero";
  std::string out;
  std::string columns = "one";
  bool list = false;
  bool title = false;
};

/// Widths of columns of the usual two-column papers, in points, and of our drawing of them in
/// pixels: text comes out at 8 to 9 points.
struct PaperSize {
  double width_pt;
  report::SvgSize size;
};
constexpr PaperSize kOneColumn = {252, {.width = 380, .plot_height = 230}};
constexpr PaperSize kTwoColumns = {516, {.width = 720, .plot_height = 300}};

/// What one can plot: id and title.
struct Choice {
  std::string id;
  std::string title;
  const report::Block* block;
};

std::vector<Choice> choices_of(const std::vector<report::Section>& sections) {
  std::vector<Choice> choices;
  for (const report::Section& section : sections) {
    for (const report::Block& block : section.blocks) {
      if (const auto* figure = std::get_if<report::Figure>(&block))
        choices.push_back({figure->id, figure->title, &block});
      if (const auto* map = std::get_if<report::HeatMap>(&block))
        choices.push_back({map->id, map->title, &block});
      if (const auto* contour = std::get_if<report::Contour>(&block))
        choices.push_back({contour->id, contour->title, &block});
    }
  }
  return choices;
}

std::string draw(const report::Block& block, const PaperSize& paper, bool title) {
  const auto heading = title ? report::SvgHeading::kShown : report::SvgHeading::kLeftOut;
  if (const auto* figure = std::get_if<report::Figure>(&block))
    return report::to_svg(*figure, heading, paper.size);
  if (const auto* map = std::get_if<report::HeatMap>(&block)) return report::to_svg(*map, heading);
  return report::to_svg(std::get<report::Contour>(block), heading);
}

const Choice& find(const std::vector<Choice>& choices, const std::string& id) {
  for (const Choice& choice : choices) {
    if (choice.id == id) return choice;
  }
  FLATENN_CHECK(!choices.empty(),
                "plot: nothing to draw yet: no campaign here has a finished trial");
  std::string known;
  for (const Choice& choice : choices) known += (known.empty() ? "" : ", ") + choice.id;
  throw Error("plot: no figure '" + id + "'; there are: " + known);
}

void run(const PlotOptions& options) {
  const report::Findings findings = report::collect({options.inputs.begin(), options.inputs.end()});
  const std::vector<report::Section> sections = report::build_sections(findings);
  const std::vector<Choice> choices = choices_of(sections);
  if (options.list) {
    std::vector<std::vector<std::string>> rows;
    for (const Choice& choice : choices) rows.push_back({choice.id, choice.title});
    print_text_table({{"figure"}, {"title", false, 1}}, rows);
    return;
  }
  const std::string extension = std::filesystem::path(options.out).extension();
  FLATENN_CHECK(extension == ".svg" || extension == ".pdf", options.out,
                ": the name must end in .svg or .pdf");
  const PaperSize& paper = options.columns == "one" ? kOneColumn : kTwoColumns;
  const std::string svg = draw(*find(choices, options.figure).block, paper, options.title);
  write_file_atomically(options.out,
                        extension == ".pdf" ? report::svg_to_pdf(svg, paper.width_pt) : svg);
  std::printf("%s\n", options.out.c_str());
}

}  // namespace

void add_plot_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<PlotOptions>();
  auto* command = app.add_subcommand("plot", "Write one of the report's figures as SVG or PDF");
  command
      ->add_option("input", options->inputs,
                   "Run folders, campaign databases, study folders or result files (.json)")
      ->required();
  auto* out = command->add_option("-o,--out", options->out, "The picture: NAME.svg or NAME.pdf");
  command->add_option("--figure", options->figure, "Which: its id of --list (default: hero)");
  command
      ->add_option("--columns", options->columns,
                   "Width in a two-column paper: one (3.5 in, default) or two (7.2 in)")
      ->check(CLI::IsMember({"one", "two"}));
  command->add_flag("--title", options->title, "With its title on top");
  auto* list = command->add_flag("--list", options->list, "Name the figures there are");
  command->callback([=] {
    if (out->empty() && list->empty()) throw CLI::RequiredError("plot: --out or --list");
    run(*options);
  });
}

}  // namespace flatenn::cli
