#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/report/report.h"

namespace flatenn::cli {
namespace {

struct ReportOptions {
  std::vector<std::string> inputs;
  std::string out;
  std::string csv;
  std::string svg;
  std::string tensorboard;
  std::string title;
};

void print_count(const std::string& folder, int64_t files, const char* what) {
  std::printf("%s: %ld %s%s\n", folder.c_str(), files, what, files == 1 ? "" : "s");
}

void check_name(const std::string& out) {
  const std::string extension = std::filesystem::path(out).extension();
  FLATENN_CHECK(extension == ".html" || extension == ".htm" || extension.empty(), out,
                ": report writes HTML (.html); for LaTeX, Markdown and CSV tables use flatenn "
                "results --format, for SVG and PDF figures flatenn plot");
}

void run(const ReportOptions& options) {
  if (!options.out.empty()) check_name(options.out);
  report::Findings findings = report::collect({options.inputs.begin(), options.inputs.end()});
  if (!options.title.empty()) findings.title = options.title;
  if (!options.csv.empty()) {
    const int64_t files = report::write_tables(findings, options.csv);
    print_count(options.csv, files, "CSV file");
  }
  if (!options.svg.empty()) {
    const int64_t files = report::write_figures(findings, options.svg);
    print_count(options.svg, files, "SVG file");
  }
  if (!options.tensorboard.empty()) {
    const int64_t files = report::write_event_files(findings, options.tensorboard);
    print_count(options.tensorboard, files, "event file");
  }
  if (options.out.empty()) return;
  write_file_atomically(options.out, report::render_page(findings));
  std::printf("%s\n", options.out.c_str());
}

}  // namespace

void add_report_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<ReportOptions>();
  auto* command = app.add_subcommand(
      "report", "Write one self-contained HTML page from runs, campaigns and results");
  command
      ->add_option("input", options->inputs,
                   "Run folders, campaign databases, study folders or result files (.json)")
      ->required();
  auto* out = command->add_option("-o,--out", options->out, "The page to write");
  auto* csv = command->add_option("--csv", options->csv,
                                  "Folder for every table, and every figure's numbers, as CSV");
  auto* svg = command->add_option("--svg", options->svg, "Folder for every figure as SVG");
  auto* tensorboard = command->add_option(
      "--tensorboard", options->tensorboard,
      "Folder for event files of TensorBoard: training curves and accuracy under faults");
  command->add_option("--title", options->title, "Title of the page");
  command->callback([=] {
    if (out->empty() && csv->empty() && svg->empty() && tensorboard->empty())
      throw CLI::RequiredError("report: one of --out, --csv, --svg, --tensorboard");
    run(*options);
  });
}

}  // namespace flatenn::cli
