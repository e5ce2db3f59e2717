#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/text_table.h"
#include "flatenn/analysis/cost.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/base/error.h"
#include "flatenn/base/printable.h"

namespace flatenn::cli {
namespace {

struct CostOptions {
  EvaluationOptions inputs;
  std::vector<std::string> hardware;
  bool json = false;
  std::string out;
};

std::vector<std::string> row_of(const analysis::LayerCost& cost) {
  const auto number = [](double value, const char* format = "%.4g") {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return std::string(text);
  };
  return {cost.layer,
          number(100 * cost.sparsity, "%.1f"),
          number(cost.dense_macs),
          number(cost.effective_macs),
          number(cost.activation_bits / 8),
          number(cost.bitmap_bits / 8),
          number(cost.run_length_bits / 8),
          number(cost.cycles),
          number(cost.load_imbalance(), "%.2f"),
          number(cost.energy_pj() / 1e3)};
}

void print_table(const analysis::CostReport& report) {
  print_wrapped(detail::concat(printable(report.model), " on ", printable(report.hardware.name),
                               ", mean of ", report.images, " images"));
  const std::vector<TextColumn> columns = {{"layer"},
                                           {"zeros %", true, 1},
                                           {"MACs", true, 5},
                                           {"effective", true, 3},
                                           {"input B", true, 6},
                                           {"bitmap B", true, 8},
                                           {"run-len B", true, 7},
                                           {"cycles", true},
                                           {"imbal.", true, 4},
                                           {"energy nJ", true}};
  std::vector<std::vector<std::string>> rows;
  for (const analysis::LayerCost& cost : report.layers) rows.push_back(row_of(cost));
  const analysis::LayerCost total = report.total();
  rows.push_back(row_of(total));
  print_text_table(columns, rows);
  char text[160];
  std::snprintf(text, sizeof text,
                "latency %.4g us at %.4g MHz; energy %.4g nJ: compute %.4g, buffer %.4g, DRAM %.4g",
                report.latency_us(), report.hardware.clock_mhz, total.energy_pj() / 1e3,
                total.compute_pj / 1e3, total.buffer_pj / 1e3, total.dram_pj / 1e3);
  print_wrapped(text);
}

void run(const CostOptions& options) {
  std::vector<analysis::Hardware> machines;
  for (const std::string& name : options.hardware)
    machines.push_back(analysis::find_hardware(name));
  const EvaluationInputs inputs = open_inputs(options.inputs);
  nlohmann::json list = nlohmann::json::array();
  for (const analysis::Hardware& hardware : machines) {
    const analysis::CostReport report =
        analysis::estimate_cost(*inputs.network, *inputs.engine, *inputs.codes, hardware);
    list.push_back(analysis::to_json(report));
    if (!options.json) print_table(report);
  }
  analysis::write_result({options.out, "cost", "cost"}, *inputs.network, list);
  if (options.json) std::printf("%s\n", list.dump(2).c_str());
}

}  // namespace

void add_cost_command(CLI::App& app, const GlobalOptions&) {
  auto options = std::make_shared<CostOptions>();
  CLI::App* command =
      app.add_subcommand("cost", "Price a network's activation sparsity on described accelerators");
  options->inputs.declare(*command);
  command
      ->add_option("--hardware", options->hardware,
                   "Hardware files (.toml), or dense, zero_skipping, in_memory")
      ->delimiter(',')
      ->required();
  command->add_option("-o,--out", options->out, "Write the result as JSON to this folder");
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options] { run(*options); });
}

}  // namespace flatenn::cli
