#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/calibrated_import.h"
#include "cli/command.h"
#include "cli/reading_options.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"
#include "flatenn/interop/model.h"
#include "flatenn/net/content_hash.h"
#include "flatenn/net/network.h"

/// flatenn import: a network of another tool as a frozen network.
namespace flatenn::cli {
namespace {

struct ImportOptions {
  std::string model;
  std::string output;
  interop::ReadOptions read;
  CalibratedImport calibrated;
  bool json = false;
};

int64_t inexact(const std::vector<interop::ImportedNode>& notes) {
  int64_t count = 0;
  for (const interop::ImportedNode& note : notes) count += note.why.empty() ? 0 : 1;
  return count;
}

/// Layers whose rounding an ONNX file cannot say but to us.
int64_t fixed_point_layers(const net::Network& network) {
  return std::count_if(network.layers.begin(), network.layers.end(),
                       [](const net::Layer& layer) { return layer.in_fixed_point(); });
}

void print_json(const net::Network& network, const std::vector<interop::ImportedNode>& notes,
                const ImportOptions& options) {
  nlohmann::json nodes = nlohmann::json::array();
  for (const interop::ImportedNode& note : notes) {
    nodes.push_back({{"node", note.name},
                     {"op", note.op},
                     {"became", note.became},
                     {"exact", note.why.empty()},
                     {"why", note.why}});
  }
  const nlohmann::json json{{"model", options.model},
                            {"output", options.output},
                            {"name", network.name},
                            {"content_hash", net::content_hash(network)},
                            {"layers", network.layers.size()},
                            {"weight_bits", net::weight_bits(network)},
                            {"plain", network.is_plain()},
                            {"fixed_point_layers", fixed_point_layers(network)},
                            {"nodes", nodes}};
  std::printf("%s\n", json.dump(2).c_str());
}

void print_table(const net::Network& network, const std::vector<interop::ImportedNode>& notes,
                 const ImportOptions& options) {
  std::printf("%-28s %-20s %-30s %s\n", "node", "operator", "became", "exact");
  for (const interop::ImportedNode& note : notes) {
    if (note.became == "constant") continue;
    std::printf("%-28s %-20s %-30s %s\n", printable(note.name).c_str(), note.op.c_str(),
                printable(note.became).c_str(),
                note.why.empty() ? "yes" : printable(note.why).c_str());
  }
  std::printf("\n%s: %zu layers, %ld weight bits, %ld steps not kept exactly\n",
              options.output.c_str(), network.layers.size(), net::weight_bits(network),
              inexact(notes));
  const int64_t fixed = fixed_point_layers(network);
  if (fixed > 0) {
    std::printf(
        "%ld layers round in fixed point; other runtimes of the file written round them in float: "
        "codes may differ by 1\n",
        fixed);
  }
}

void run_calibrated(const ImportOptions& options) {
  CalibratedImport request = options.calibrated;
  request.model = options.model;
  request.output = options.output;
  request.json = options.json;
  request.pixels = options.read.pixels;
  if (options.read.weight_bits != 0) request.options.weight_bits = options.read.weight_bits;
  run_calibrated_import(std::move(request));
}

void run(const ImportOptions& options) {
  FLATENN_CHECK(options.model != options.output, "import: the output is the model itself, ",
                options.model);
  if (!options.calibrated.dataset.empty()) return run_calibrated(options);
  std::vector<interop::ImportedNode> notes;
  const net::Network network = interop::read_model(options.model, options.read, &notes);
  interop::write_onnx(network, options.output);
  if (options.json) {
    print_json(network, notes, options);
  } else {
    print_table(network, notes, options);
  }
}

}  // namespace

void add_import_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = app.add_subcommand(
      "import",
      "Read a quantized network of another tool (ONNX: QDQ, QOperator or QONNX form, or float; "
      "TensorFlow Lite: int8 or uint8)");
  command->add_option("model", options->model, "ONNX or TensorFlow Lite file")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--output", options->output, "Where the frozen network goes (ONNX)")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--weight-bits,--weights-bits", options->read.weight_bits,
                   "Bits of a stored weight, where codes use fewer than their type [what the "
                   "file says]; with --calibrate, those to quantize to [8]")
      ->check(CLI::Range(1, 8));
  CLI::Option* const pixels = add_pixels_option(*command, options->read.pixels);
  options->calibrated.declare(*command, *pixels);
  command->add_flag("--json", options->json, "What each node became, as JSON");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
