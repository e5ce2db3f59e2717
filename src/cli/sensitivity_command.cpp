#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/validators.h"
#include "flatenn/analysis/bit_search.h"
#include "flatenn/analysis/flip_estimates.h"
#include "flatenn/analysis/hardening.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/analysis/sensitivity.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/base/progress.h"
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
  double harden_rate = 0;
  double tolerated_drop = 0.01;
  std::string plan;
  bool no_estimates = false;
  bool json = false;
  std::string out;
};

/// Images that are not evaluated on: the other split's first ones.
analysis::LossSurface other_images(const SensitivityCommand& options,
                                   const std::shared_ptr<const net::Network>& network,
                                   int64_t count) {
  EvaluationOptions other = options.inputs;
  other.split = options.inputs.split == "test" ? "train" : "test";
  other.images = count;
  const data::ImageSet images = open_images(other, *network);
  const auto codes = engine::quantize_images(images, *network);
  return analysis::LossSurface(std::make_shared<analysis::TorchNetwork>(network), *codes,
                               images.labels);
}

/// A progress bar that an observer (done, total) moves.
class Bar {
 public:
  Bar(std::string title, std::string unit, bool quiet)
      : title_(std::move(title)), unit_(std::move(unit)), quiet_(quiet) {}
  void operator()(int64_t done, int64_t total) {
    if (!progress_) {
      progress_ = std::make_shared<Progress>(
          Progress::Options{.title = title_, .total = total, .unit = unit_, .quiet = quiet_});
    }
    progress_->advance(done - done_);
    done_ = done;
  }

 private:
  std::string title_, unit_;
  bool quiet_;
  int64_t done_ = 0;
  std::shared_ptr<Progress> progress_;  ///< Shared by copies of the observer.
};

nlohmann::json add_estimates(const SensitivityCommand& options,
                             const std::shared_ptr<const net::Network>& network,
                             const analysis::SensitivityReport& report) {
  const analysis::LossSurface surface = other_images(options, network, options.gradient_images);
  return analysis::compare_estimates(surface, report, options.cells);
}

nlohmann::json attack(const SensitivityCommand& options, const EvaluationInputs& inputs,
                      bool quiet) {
  const analysis::LossSurface surface =
      other_images(options, inputs.network, options.attack_images);
  analysis::BitSearchOptions search{.flips = options.attack_flips,
                                    .encoding = options.cells.encoding,
                                    .random_trials = options.cells.trials,
                                    .seed = options.cells.seed,
                                    .observer = Bar("bit search", "flips", quiet)};
  nlohmann::json json = analysis::to_json(analysis::search_bits(
      surface, inputs.network, *inputs.engine, *inputs.codes, inputs.images.labels, search));
  json["search_images"] = surface.images();
  return json;
}

nlohmann::json harden(const SensitivityCommand& options, const EvaluationInputs& inputs,
                      const analysis::SensitivityReport& report, bool quiet) {
  const analysis::HardeningOptions harden_options{.kind = options.cells.kind,
                                                  .encoding = options.cells.encoding,
                                                  .rate = options.harden_rate,
                                                  .tolerated_drop = options.tolerated_drop,
                                                  .trials = options.cells.trials,
                                                  .seed = options.cells.seed + 1,
                                                  .observer = Bar("hardening", "steps", quiet)};
  const analysis::HardeningCurve curve = analysis::harden_greedily(
      inputs.network, *inputs.engine, *inputs.codes, inputs.images.labels, report, harden_options);
  if (!options.plan.empty()) {
    // A plan names models from its own folder.
    const auto model = std::filesystem::proximate(
        options.inputs.model, std::filesystem::absolute(options.plan).parent_path());
    write_file_atomically(options.plan,
                          analysis::hardening_plan_toml(*inputs.network, model.string(),
                                                        inputs.images.name, curve, harden_options));
  }
  nlohmann::json json = analysis::to_json(curve);
  json["rate"] = options.harden_rate;
  json["tolerated_drop"] = options.tolerated_drop;
  return json;
}

void print_cells(const char* title, const std::vector<analysis::SensitivityCell>& cells) {
  std::printf("%s\n%-14s %4s %10s %18s %18s\n", title, "layer", "bit", "bits", "points lost",
              "loss rise");
  for (const analysis::SensitivityCell& cell : cells) {
    std::printf("%-14s %4s %10ld %9.2f +- %-6.2f %10.4f +- %-6.4f\n",
                cell.layer < 0 ? "all" : cell.layer_name.c_str(),
                cell.bit < 0 ? "all" : std::to_string(cell.bit).c_str(), cell.stored_bits,
                100 * cell.accuracy_loss.mean, 100 * cell.accuracy_loss.standard_error,
                cell.loss_rise.mean, cell.loss_rise.standard_error);
  }
}

void print_correlation(const nlohmann::json& estimates, const char* key, const char* text) {
  const nlohmann::json& r = estimates.at(key);
  std::printf("  %s: %.3f [%.3f, %.3f]\n", text, r.at("rho").get<double>(),
              r.at("low").get<double>(), r.at("high").get<double>());
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
  std::printf("golden accuracy %.2f %% over %ld images\n", 100 * report.golden_accuracy,
              report.images);
  print_cells("by layer", report.layers);
  print_cells("by bit position (0: least significant)", report.bits);
  print_cells("by layer and bit", report.cells);
  if (json.contains("estimates")) {
    std::printf("rank correlation of estimates with the measured loss rise of each cell\n");
    print_correlation(json["estimates"], "first_order_with_loss_rise", "gradient");
    print_correlation(json["estimates"], "second_order_with_loss_rise", "gradient and Fisher");
  }
  if (json.contains("attack")) print_attack(json["attack"]);
  if (json.contains("hardening")) print_hardening(json["hardening"]);
}

void run(SensitivityCommand& options, bool quiet) {
  nn::set_up_runtime(options.inputs.threads);
  options.cells.kind = fault::parse_fault_kind(options.kind);
  options.cells.encoding = fault::parse_encoding(options.encoding);
  FLATENN_CHECK(options.plan.empty() || options.harden_rate > 0,
                "--plan: needs --harden RATE, which makes the plan");
  const EvaluationInputs inputs = open_inputs(options.inputs, options.cells.encoding);
  options.cells.observer = Bar("sensitivity", "passes", quiet);
  const analysis::SensitivityReport report = analysis::measure_sensitivity(
      inputs.network, *inputs.engine, *inputs.codes, inputs.images.labels, options.cells);
  nlohmann::json json = analysis::to_json(report, options.cells);
  if (!options.no_estimates) json["estimates"] = add_estimates(options, inputs.network, report);
  if (options.attack_flips > 0) json["attack"] = attack(options, inputs, quiet);
  if (options.harden_rate > 0) json["hardening"] = harden(options, inputs, report, quiet);
  analysis::write_result({options.out, "sensitivity", "sensitivity"}, *inputs.network, json);
  if (options.json) {
    std::printf("%s\n", json.dump(2).c_str());
  } else {
    print_report(report, json);
  }
}

}  // namespace

void add_sensitivity_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<SensitivityCommand>();
  CLI::App* command =
      app.add_subcommand("sensitivity", "Measure which layers and bit positions faults hurt most");
  options->inputs.declare(*command);
  command->add_option("--kind", options->kind, "bit_flip, stuck_at_0 or stuck_at_1")
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
  command->add_flag("--no-estimates", options->no_estimates, "Leave the gradient estimates out");
  command
      ->add_option("--gradient-images", options->gradient_images,
                   "Images of the other split that estimates see")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_option("--attack", options->attack_flips, "Flips of a progressive bit search")
      ->check(at_least(0));
  command
      ->add_option("--attack-images", options->attack_images,
                   "Images of the other split that the search sees")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_option("--harden", options->harden_rate,
                      "Harden bits greedily against faults at this rate");
  command->add_option("--tolerated-drop", options->tolerated_drop, "Accuracy that may be lost")
      ->capture_default_str();
  command->add_option("--plan", options->plan,
                      "Write the hardened memory as a plan for 'flatenn campaign'");
  command->add_option("-o,--out", options->out, "Write the result as JSON to this folder");
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options, &global] { run(*options, global.quiet); });
}

}  // namespace flatenn::cli
