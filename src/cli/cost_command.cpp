#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "flatenn/analysis/cost.h"
#include "flatenn/analysis/result_file.h"

namespace flatenn::cli {
namespace {

struct CostOptions {
  EvaluationOptions inputs;
  std::vector<std::string> hardware;
  bool json = false;
  std::string out;
};

void print_row(const analysis::LayerCost& cost) {
  std::printf("%-14s %8.1f %11.4g %11.4g %10.4g %10.4g %10.4g %10.4g %6.2f %11.4g\n",
              cost.layer.c_str(), 100 * cost.sparsity, cost.dense_macs, cost.effective_macs,
              cost.activation_bits / 8, cost.bitmap_bits / 8, cost.run_length_bits / 8, cost.cycles,
              cost.load_imbalance(), cost.energy_pj() / 1e3);
}

void print_table(const analysis::CostReport& report) {
  std::printf("%s on %s, mean of %ld images\n", report.model.c_str(), report.hardware.name.c_str(),
              report.images);
  std::printf("%-14s %8s %11s %11s %10s %10s %10s %10s %6s %11s\n", "layer", "zeros %", "MACs",
              "effective", "input B", "bitmap B", "run-len B", "cycles", "imbal.", "energy nJ");
  for (const analysis::LayerCost& cost : report.layers) print_row(cost);
  const analysis::LayerCost total = report.total();
  print_row(total);
  std::printf("latency %.4g us at %.4g MHz; energy %.4g nJ: compute %.4g, buffer %.4g, DRAM %.4g\n",
              report.latency_us(), report.hardware.clock_mhz, total.energy_pj() / 1e3,
              total.compute_pj / 1e3, total.buffer_pj / 1e3, total.dram_pj / 1e3);
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
