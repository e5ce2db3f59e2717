#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/fault_options.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/summary.h"
#include "flatenn/interop/onnx.h"
#include "flatenn/net/content_hash.h"

namespace flatenn::cli {
namespace {

struct FaultsOptions : FaultOptions {
  std::vector<std::string> outputs;
  bool json = false;
};

void note_storage(const fault::Injector& injector) {
  if (injector.saturated() > 0) {
    log::info(injector.saturated(), " codes have no word in ", to_string(injector.model().encoding),
              " and were saturated");
  }
  if (injector.clipped() > 0) log::info(injector.clipped(), " golden codes were clipped");
}

/// CSV names bits alone, so whoever reads it must be told the rest.
void warn_of_csv(const std::string& path, const ChosenFaults& chosen) {
  const fault::FaultModel& model = chosen.injector->model();
  if (model.encoding == fault::Encoding::kTwosComplement && model.protection.none()) return;
  log::warn(path, ": CSV keeps neither encoding nor protection (", describe(model),
            "); JSON does, or give --config again");
}

void run_draw(const FaultsOptions& options) {
  const ChosenFaults chosen = choose_faults(options);
  note_storage(*chosen.injector);
  const fault::MemoryLayout& layout = chosen.injector->layout();
  if (options.outputs.empty()) std::fputs(fault_map_csv(chosen.map, layout).c_str(), stdout);
  for (const std::string& path : options.outputs) {
    const std::string extension = std::filesystem::path(path).extension().string();
    FLATENN_CHECK(extension == ".csv" || extension == ".json", "--out: ", path,
                  " must end in .csv or .json");
    const fault::FaultMapOrigin origin{.network = net::content_hash(*chosen.injector->network()),
                                       .encoding = to_string(chosen.injector->model().encoding),
                                       .model = to_json(chosen.injector->model()).dump(),
                                       .rate = chosen.rate,
                                       .seed = options.seed,
                                       .trial = options.trial};
    write_file_atomically(path, extension == ".csv" ? fault_map_csv(chosen.map, layout)
                                                    : fault_map_json(chosen.map, layout, origin));
    log::info(path, ": ", chosen.map.faults.size(), " faults");
    if (extension == ".csv") warn_of_csv(path, chosen);
  }
}

void run_apply(const FaultsOptions& options) {
  const ChosenFaults chosen = choose_faults(options);
  note_storage(*chosen.injector);
  const fault::Injection injection =
      chosen.injector->inject(chosen.rate, options.seed, options.trial);
  if (injection.activations != nullptr) {
    log::warn("faults of activations are no part of a model file; only stored parameters change");
  }
  net::Network faulty = faulty_network(*chosen.injector->network(), injection);
  faulty.metadata.erase("accuracy");  // that of the fault-free network
  faulty.metadata["faults"] = describe(chosen.injector->model());
  interop::write_onnx(faulty, options.outputs.front());
  std::printf("%s: %lld faults drawn, %lld landed, %lld weights and %lld biases changed\n",
              options.outputs.front().c_str(), static_cast<long long>(injection.counts.drawn),
              static_cast<long long>(injection.counts.landed),
              static_cast<long long>(injection.weights.size()),
              static_cast<long long>(injection.biases.size()));
  if (chosen.injector->model().encoding == fault::Encoding::kDifferentialPair) {
    std::printf(
        "the file keeps each weight k = w+ - w-, not its pair: the same map applied to it again "
        "meets other words\n");
  }
}

nlohmann::json to_json(const fault::FaultSummary& summary) {
  return {{"tensor", summary.tensor.empty() ? "all" : summary.tensor},
          {"words", summary.words},
          {"stored_bits", summary.stored_bits},
          {"faults", summary.faults()},
          {"bit_flip", summary.bit_flips},
          {"stuck_at_0", summary.stuck_at_0},
          {"stuck_at_1", summary.stuck_at_1},
          {"flip_0_to_1", summary.flips_0_to_1},
          {"flip_1_to_0", summary.flips_1_to_0},
          {"landed", summary.landed},
          {"changed_codes", summary.changed_codes},
          {"rms_change", summary.rms_change},
          {"by_bit", summary.by_bit}};
}

void print_summary(const fault::FaultSummary& summary) {
  const double share = summary.stored_bits > 0 ? static_cast<double>(summary.faults()) /
                                                     static_cast<double>(summary.stored_bits)
                                               : 0;
  std::printf("%-16s %10lld %10lld %9.3g %8lld %8lld %8lld %8lld %8lld %8.3g ",
              summary.tensor.empty() ? "all" : summary.tensor.c_str(),
              static_cast<long long>(summary.stored_bits), static_cast<long long>(summary.faults()),
              share, static_cast<long long>(summary.flips()),
              static_cast<long long>(summary.stuck_at_0),
              static_cast<long long>(summary.stuck_at_1), static_cast<long long>(summary.landed),
              static_cast<long long>(summary.changed_codes), summary.rms_change);
  for (const int64_t faults : summary.by_bit) {
    std::printf(" %lld", static_cast<long long>(faults));
  }
  std::printf("\n");
}

void run_show(const FaultsOptions& options) {
  const ChosenFaults chosen = choose_faults(options);
  const auto summaries = fault::summarize(chosen.map, *chosen.injector);
  const fault::FaultCounts counts = chosen.injector->apply(chosen.map).counts;
  if (options.json) {
    nlohmann::json tensors = nlohmann::json::array();
    for (const auto& summary : summaries) tensors.push_back(to_json(summary));
    const nlohmann::json result = {{"model", fault::to_json(chosen.injector->model())},
                                   {"tensors", tensors},
                                   {"check_faults", counts.check_drawn},
                                   {"corrected", counts.corrected},
                                   {"detected", counts.detected},
                                   {"missed", counts.missed},
                                   {"clipped", counts.clipped}};
    std::printf("%s\n", result.dump(2).c_str());
    return;
  }
  std::printf("%s\n", describe(chosen.injector->model()).c_str());
  std::printf("%-16s %10s %10s %9s %8s %8s %8s %8s %8s %8s  %s\n", "tensor", "bits", "faults",
              "share", "flips", "stuck0", "stuck1", "landed", "changed", "rms", "by bit (0 first)");
  for (const auto& summary : summaries) print_summary(summary);
  if (chosen.injector->model().protection.code != fault::CheckCode::kNone) {
    std::printf("check bits: %lld faulty; corrected %lld, detected %lld, missed %lld\n",
                static_cast<long long>(counts.check_drawn),
                static_cast<long long>(counts.corrected), static_cast<long long>(counts.detected),
                static_cast<long long>(counts.missed));
  }
}

void add_draw(CLI::App& parent) {
  auto options = std::make_shared<FaultsOptions>();
  CLI::App* app = parent.add_subcommand("draw", "Draw the fault map of one trial");
  add_model_option(*app, *options);
  add_draw_options(*app, *options);
  app->add_option("-o,--out", options->outputs,
                  "File to write, .json or .csv; may be given twice (none: CSV to stdout)");
  app->callback([options] { run_draw(*options); });
}

void add_apply(CLI::App& parent) {
  auto options = std::make_shared<FaultsOptions>();
  CLI::App* app = parent.add_subcommand("apply", "Write the model as a faulty memory holds it");
  add_model_option(*app, *options);
  add_map_option(*app, *options);
  add_draw_options(*app, *options);
  app->add_option("-o,--out", options->outputs, "Faulty model to write (ONNX)")
      ->required()
      ->expected(1);
  app->callback([options] { run_apply(*options); });
}

void add_show(CLI::App& parent) {
  auto options = std::make_shared<FaultsOptions>();
  CLI::App* app = parent.add_subcommand("show", "Count faults by layer, kind and bit position");
  add_model_option(*app, *options);
  add_map_option(*app, *options);
  add_draw_options(*app, *options);
  app->add_flag("--json", options->json, "Print JSON");
  app->callback([options] { run_show(*options); });
}

}  // namespace

void add_faults_command(CLI::App& app, const GlobalOptions&) {
  CLI::App* faults = app.add_subcommand("faults", "Draw, apply and look at single fault maps");
  faults->require_subcommand(1);
  add_draw(*faults);
  add_apply(*faults);
  add_show(*faults);
  add_faults_array_command(*faults);
}

}  // namespace flatenn::cli
