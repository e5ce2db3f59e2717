#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/progress_bar.h"
#include "cli/text_table.h"
#include "cli/validators.h"
#include "flatenn/analysis/bit_search.h"
#include "flatenn/analysis/check_codes.h"
#include "flatenn/analysis/flip_estimates.h"
#include "flatenn/analysis/hardening.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/analysis/sensitivity.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/log.h"
#include "flatenn/nn/runtime.h"

namespace flatenn::cli {
namespace {

struct SensitivityCommand {
  EvaluationOptions inputs;
  std::string kind = "bit_flip";
  std::string encoding = "twos_complement";
  analysis::SensitivityOptions cells;
  int64_t gradient_images = 1000;
  int64_t attack_flips = 0;
  int64_t attack_images = 256;
  std::optional<double> harden_rate;
  double tolerated_drop = 0.01;
  std::string plan;
  std::string code_plan;
  bool no_estimates = false;
  std::string device = "cpu";
  bool json = false;
  std::string out;
};

using View = std::shared_ptr<const analysis::TorchNetwork>;

/// Images that are not evaluated on: the other split's first ones.
analysis::LossSurface other_images(const SensitivityCommand& options, const View& view,
                                   int64_t count) {
  EvaluationOptions other = options.inputs;
  other.split = options.inputs.split == "test" ? "train" : "test";
  other.images = count;
  const data::ImageSet images = open_images(other, view->network());
  const auto codes = engine::quantize_images(images, view->network());
  return analysis::LossSurface(view, *codes, images.labels);
}

nlohmann::json add_estimates(const SensitivityCommand& options, const View& view,
                             const analysis::SensitivityReport& report, bool quiet) {
  const analysis::LossSurface surface = other_images(options, view, options.gradient_images);
  return analysis::compare_estimates(surface, report, options.cells,
                                     ProgressBar("gradient estimates", "images", quiet));
}

nlohmann::json attack(const SensitivityCommand& options, const EvaluationInputs& inputs,
                      const View& view, bool quiet) {
  const analysis::LossSurface surface = other_images(options, view, options.attack_images);
  analysis::BitSearchOptions search{.flips = options.attack_flips,
                                    .encoding = options.cells.encoding,
                                    .random_trials = options.cells.trials,
                                    .seed = options.cells.seed,
                                    .observer = ProgressBar("bit search", "flips", quiet)};
  nlohmann::json json = analysis::to_json(analysis::search_bits(
      surface, inputs.network, *inputs.engine, *inputs.codes, inputs.images.labels, search));
  json["search_images"] = surface.images();
  return json;
}

analysis::HardeningOptions hardening_options(const SensitivityCommand& options, bool quiet) {
  return {.kind = options.cells.kind,
          .encoding = options.cells.encoding,
          .rate = *options.harden_rate,
          .tolerated_drop = options.tolerated_drop,
          .trials = options.cells.trials,
          .seed = options.cells.seed + 1,
          .observer = ProgressBar("hardening", "steps", quiet)};
}

/// A plan names its model relative to its own folder.
analysis::PlanTarget target_of(const SensitivityCommand& options, const EvaluationInputs& inputs,
                               const std::string& plan) {
  namespace fs = std::filesystem;
  const fs::path model = fs::absolute(options.inputs.model);
  return {fs::proximate(model, fs::absolute(plan).parent_path()).string(), inputs.images.name};
}

/// What hardened bits and check codes bring back.
struct Protected {
  analysis::HardeningOptions options;
  analysis::HardeningCurve hardening;
  analysis::CheckCodeReport codes;
};

Protected protect(const SensitivityCommand& options, const EvaluationInputs& inputs,
                  const analysis::SensitivityReport& report, bool quiet) {
  const analysis::HardeningOptions how = hardening_options(options, quiet);
  const auto& labels = inputs.images.labels;
  return {
      how,
      analysis::harden_greedily(inputs.network, *inputs.engine, *inputs.codes, labels, report, how),
      analysis::compare_check_codes(inputs.network, *inputs.engine, *inputs.codes, labels,
                                    report.golden_accuracy, how)};
}

void add_protection(const Protected& found, nlohmann::json& json) {
  json["hardening"] = analysis::to_json(found.hardening);
  json["hardening"]["rate"] = found.options.rate;
  json["hardening"]["tolerated_drop"] = found.options.tolerated_drop;
  json["check_codes"] = analysis::to_json(found.codes);
}

/// Writes the plans asked for.
void write_plans(const SensitivityCommand& options, const EvaluationInputs& inputs,
                 const Protected& found) {
  if (!options.plan.empty() && found.hardening.steps.back().hardened_share == 1) {
    log::warn(options.plan, ": not written: every bit had to be hardened, no faults are left");
  } else if (!options.plan.empty()) {
    const analysis::PlanTarget target = target_of(options, inputs, options.plan);
    write_file_atomically(
        options.plan,
        analysis::hardening_plan_toml(*inputs.network, target, found.hardening, found.options));
  }
  if (!options.code_plan.empty()) {
    const analysis::PlanTarget target = target_of(options, inputs, options.code_plan);
    write_file_atomically(options.code_plan,
                          analysis::check_code_plan_toml(target, found.codes, found.options));
  }
}

void print_cells(const char* title, const std::vector<analysis::SensitivityCell>& cells) {
  print_wrapped(title);
  const auto with_error = [](double mean, double error, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f +- %.*f", digits, mean, digits, error);
    return std::string(text);
  };
  std::vector<std::vector<std::string>> rows;
  for (const analysis::SensitivityCell& cell : cells) {
    rows.push_back(
        {cell.layer < 0 ? "all" : cell.layer_name, cell.bit < 0 ? "all" : std::to_string(cell.bit),
         std::to_string(cell.stored_bits),
         with_error(100 * cell.accuracy_loss.mean, 100 * cell.accuracy_loss.standard_error, 2),
         with_error(cell.loss_rise.mean, cell.loss_rise.standard_error, 4)});
  }
  const std::vector<TextColumn> columns = {
      {"layer"}, {"bit", true}, {"bits", true, 1}, {"points lost", true}, {"loss rise", true, 2}};
  print_text_table(columns, rows);
}

void print_correlation(const nlohmann::json& estimates, const char* key, const char* text) {
  const nlohmann::json& r = estimates.at(key);
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, ": %.3f [%.3f, %.3f]", r.at("rho").get<double>(),
                r.at("low").get<double>(), r.at("high").get<double>());
  print_wrapped(detail::concat("  ", text, numbers), 4);
}

void print_hardening(const nlohmann::json& curve) {
  std::printf("hardening, greatest loss per bit first, at rate %g\n",
              curve.at("rate").get<double>());
  for (const nlohmann::json& step : curve.at("steps")) {
    const std::string cell = step.contains("layer")
                                 ? step.at("layer").get<std::string>() + " bit " +
                                       std::to_string(step.at("bit").get<int>())
                                 : "nothing";
    std::printf("  %-20s %10ld bits (%5.1f %%)  accuracy %.2f %%\n", cell.c_str(),
                step.at("hardened_bits").get<int64_t>(),
                100 * step.at("hardened_share").get<double>(),
                100 * step.at("accuracy").get<double>());
  }
  const nlohmann::json& last = curve.at("steps").back();
  std::printf("  %ld hardened bits (%.1f %%) bring the accuracy %s %.2f points of %.2f %%\n",
              last.at("hardened_bits").get<int64_t>(),
              100 * last.at("hardened_share").get<double>(),
              curve.at("reached").get<bool>() ? "within" : "not yet within",
              100 * curve.at("tolerated_drop").get<double>(),
              100 * curve.at("golden_accuracy").get<double>());
}

void print_check_codes(const nlohmann::json& report) {
  std::printf("check codes over the whole memory, at the same rate\n");
  for (const nlohmann::json& code : report.at("codes")) {
    const auto name = code.at("name").get<std::string>();
    std::printf("  %-20s %5.1f %% more memory      accuracy %.2f %%%s\n", name.c_str(),
                100 * code.at("extra_share").get<double>(), 100 * code.at("accuracy").get<double>(),
                name != report.at("proposed").get<std::string>() ? ""
                : report.at("reached")                           ? "  (the smallest that suffices)"
                                                                 : "  (the best, not enough)");
  }
}

void print_attack(const nlohmann::json& attack) {
  std::printf("bit search, accuracy on images it did not see\n");
  for (const nlohmann::json& step : attack.at("steps")) {
    std::printf("  %-14s element %8ld bit %d  accuracy %.2f %%, random flips %.2f %%\n",
                step.at("layer").get<std::string>().c_str(), step.at("element").get<int64_t>(),
                step.at("bit").get<int>(), 100 * step.at("accuracy").get<double>(),
                100 * step.at("random_accuracy").get<double>());
  }
}

void print_report(const analysis::SensitivityReport& report, const nlohmann::json& json) {
  char text[96];
  std::snprintf(text, sizeof text, "golden accuracy %.2f %% over %ld images",
                100 * report.golden_accuracy, report.images);
  print_wrapped(text);
  print_cells("by layer", report.layers);
  print_cells("by bit position (0: least significant)", report.bits);
  print_cells("by layer and bit", report.cells);
  if (json.contains("estimates")) {
    print_wrapped("rank correlation of estimates with the measured loss rise of each cell");
    print_correlation(json["estimates"], "first_order_with_loss_rise", "gradient");
    print_correlation(json["estimates"], "second_order_with_loss_rise", "gradient and Fisher");
  }
  if (json.contains("attack")) print_attack(json["attack"]);
  if (json.contains("hardening")) print_hardening(json["hardening"]);
  if (json.contains("check_codes")) print_check_codes(json["check_codes"]);
}

/// Says so where estimates are to be left out.
bool has_gradients(const net::Network& network) {
  if (network.is_plain()) return true;
  log::info("network ", network.name,
            ": gradient estimates are left out, they know no zero points, sums, tables or uneven "
            "windows");
  return false;
}

void run(SensitivityCommand& options, bool quiet) {
  nn::set_up_runtime(options.inputs.threads);
  options.cells.kind = fault::parse_fault_kind(options.kind);
  options.cells.encoding = fault::parse_encoding(options.encoding);
  for (const auto& [name, plan] :
       {std::pair{"--plan", options.plan}, std::pair{"--code-plan", options.code_plan}}) {
    FLATENN_CHECK(plan.empty() || options.harden_rate, name,
                  ": needs --harden RATE, which makes the plan");
  }
  FLATENN_CHECK(options.device == "cpu" || !options.no_estimates || options.attack_flips > 0,
                "--device ", options.device,
                ": is for estimates and --attack, neither is asked for");
  if (options.harden_rate) analysis::check(hardening_options(options, quiet));
  const EvaluationInputs inputs = open_inputs(options.inputs, options.cells.encoding);
  const bool estimates = !options.no_estimates && has_gradients(*inputs.network);
  View view;
  if (estimates || options.attack_flips > 0) {
    view = std::make_shared<analysis::TorchNetwork>(inputs.network, torch::Device(options.device));
  }
  options.cells.observer = ProgressBar("sensitivity", "passes", quiet);
  const analysis::SensitivityReport report = analysis::measure_sensitivity(
      inputs.network, *inputs.engine, *inputs.codes, inputs.images.labels, options.cells);
  nlohmann::json json = analysis::to_json(report, options.cells);
  const analysis::ResultFile place{options.out, "sensitivity", "sensitivity"};
  analysis::write_result(place, *inputs.network, json);  // should what follows be interrupted
  if (estimates) {
    json["estimates"] = add_estimates(options, view, report, quiet);
  }
  if (options.attack_flips > 0) json["attack"] = attack(options, inputs, view, quiet);
  std::optional<Protected> found;
  if (options.harden_rate) {
    found = protect(options, inputs, report, quiet);
    add_protection(*found, json);
  }
  analysis::write_result(place, *inputs.network, json);
  if (options.json) {
    std::printf("%s\n", json.dump(2).c_str());
  } else {
    print_report(report, json);
  }
  if (found) write_plans(options, inputs, *found);
}

}  // namespace

void add_sensitivity_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<SensitivityCommand>();
  CLI::App* command =
      app.add_subcommand("sensitivity", "Measure which layers and bit positions faults hurt most");
  options->inputs.declare(*command);
  command
      ->add_option("--kind", options->kind,
                   "bit_flip, stuck_at_0, stuck_at_1, flip_0_to_1 or flip_1_to_0")
      ->capture_default_str();
  command->add_option("--encoding", options->encoding, "How codes are stored")
      ->capture_default_str();
  command->add_option("--rate", options->cells.rate, "Share of a cell's bits that are faulty")
      ->capture_default_str();
  command->add_option("--trials", options->cells.trials, "Fault maps a cell")
      ->capture_default_str();
  command->add_option("--seed", options->cells.seed, "Seed of every fault map")
      ->check(at_least(0))
      ->capture_default_str();
  CLI::Option* const no_estimates = command->add_flag("--no-estimates", options->no_estimates,
                                                      "Leave the gradient estimates out");
  command
      ->add_option("--gradient-images", options->gradient_images,
                   "Images of the other split that estimates see")
      ->check(at_least(1))
      ->excludes(no_estimates)
      ->capture_default_str();
  CLI::Option* const flips =
      command->add_option("--attack", options->attack_flips, "Flips of a progressive bit search")
          ->check(at_least(0));
  command
      ->add_option("--attack-images", options->attack_images,
                   "Images of the other split that the search sees")
      ->check(at_least(1))
      ->needs(flips)
      ->capture_default_str();
  CLI::Option* const harden =
      command->add_option("--harden", options->harden_rate,
                          "Harden bits greedily against faults at this rate, and try check codes");
  command->add_option("--tolerated-drop", options->tolerated_drop, "Accuracy that may be lost")
      ->needs(harden)
      ->capture_default_str();
  command->add_option("--plan", options->plan,
                      "Write the hardened memory as a plan for 'flatenn campaign'");
  command->add_option("--code-plan", options->code_plan,
                      "Write the smallest check code that suffices as such a plan");
  command
      ->add_option("--device", options->device,
                   "Of LibTorch, for gradient estimates and bit search: cpu, cuda or, for the "
                   "second GPU, cuda:1")
      ->check(device_name(/*several=*/false))
      ->capture_default_str();
  command->add_option("-o,--out", options->out, "Write the result as JSON to this folder");
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options, &global] { run(*options, global.quiet); });
}

}  // namespace flatenn::cli
