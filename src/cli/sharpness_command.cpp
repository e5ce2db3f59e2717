#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/evaluation_inputs.h"
#include "cli/validators.h"
#include "flatenn/analysis/fault_rise.h"
#include "flatenn/analysis/result_file.h"
#include "flatenn/analysis/sharpness.h"
#include "flatenn/base/progress.h"
#include "flatenn/nn/runtime.h"

namespace flatenn::cli {
namespace {

struct SharpnessCommand {
  EvaluationOptions inputs;
  analysis::SharpnessOptions measures;
  double rate = 0.01;
  int64_t trials = 50;
  bool json = false;
  std::string out;
  std::string device = "cpu";
};

/// The largest residual of an eigenpair, relative to its eigenvalue.
double worst_residual(const analysis::Eigenpairs& pairs) {
  double worst = 0;
  for (size_t i = 0; i < pairs.values.size(); ++i)
    worst = std::max(worst, pairs.residuals[i] / std::abs(pairs.values[i]));
  return worst;
}

void print_hessian(const analysis::SharpnessReport& report) {
  const double tolerance = 100 * report.tolerance;
  const auto ending = [](bool converged) { return converged ? "" : ": raise --products"; };
  std::printf("largest Hessian eigenvalues:");
  for (const double value : report.hessian.values) std::printf(" %.5g", value);
  std::printf("\n  (%ld products, residuals up to %.2g %%, wanted %.2g %%%s)\n",
              report.hessian.iterations, 100 * worst_residual(report.hessian), tolerance,
              ending(report.hessian.converged));
  const analysis::TraceEstimate& trace = report.trace;
  std::printf(
      "Hessian trace %.5g +- %.2g\n  (%ld probes, standard error %.2g %%, wanted %.2g %%%s)\n",
      trace.trace, trace.standard_error, trace.probes,
      100 * trace.standard_error / std::abs(trace.trace), tolerance, ending(trace.converged));
}

void print_report(const analysis::SharpnessReport& report, const analysis::FaultRise& faults) {
  std::printf("loss %.5f, accuracy %.2f %% over %ld images; ||Q(w)|| %.4g\n", report.loss,
              100 * report.accuracy, report.images, report.weight_norm);
  std::printf("%8s %9s %10s %10s %22s %10s %10s\n", "rho", "relative", "one step", "worst",
              "average +- s.e.", "m-sharp.", "adaptive");
  for (const analysis::RadiusSharpness& radius : report.radii) {
    std::printf("%8.3g %9.3g %10.4g %10.4g %12.4g +- %-6.2g %10.4g %10.4g\n", radius.rho,
                radius.rho_relative, radius.one_step, radius.worst, radius.average.mean,
                radius.average.standard_error, radius.m_sharpness, radius.adaptive);
  }
  std::printf("rise under %.3g relative Gaussian noise: %.4g +- %.2g\n", report.noise,
              report.noise_rise.mean, report.noise_rise.standard_error);
  std::printf("rise under bit flips at rate %.3g: %.4g +- %.2g (%ld maps)\n", faults.rate,
              faults.rise.mean, faults.rise.standard_error, faults.trials);
  if (!report.hessian.values.empty()) print_hessian(report);
  if (!report.density.density.empty())
    std::printf("spectral density from %.4g to %.4g: in the result (--out, --json)\n",
                report.density.eigenvalue.front(), report.density.eigenvalue.back());
}

void run(const SharpnessCommand& options, const GlobalOptions& global) {
  nn::set_up_runtime(options.inputs.threads);
  analysis::check_fault_rise(options.rate, options.trials);
  const EvaluationInputs inputs = open_inputs(options.inputs);
  const auto view =
      std::make_shared<analysis::TorchNetwork>(inputs.network, torch::Device(options.device));
  analysis::check(options.measures, view->parameter_count());
  const analysis::LossSurface surface(view, *inputs.codes, inputs.images.labels);
  Progress progress({.title = "sharpness", .unit = "steps", .quiet = global.quiet});
  const analysis::SharpnessReport report =
      analysis::measure_sharpness(surface, options.measures, [&](const std::string& stage) {
        progress.set_text(stage);
        progress.advance();
      });
  progress.finish();
  const analysis::FaultRise faults = analysis::measure_fault_rise(
      inputs.network, *inputs.engine, *inputs.codes, inputs.images.labels, options.rate,
      options.measures.seed, options.trials);
  nlohmann::json json = analysis::to_json(report);
  json["bit_errors"] = analysis::to_json(faults);
  json["seed"] = options.measures.seed;
  analysis::write_result({options.out, "sharpness", "sharpness"}, *inputs.network, json);
  if (options.json) {
    std::printf("%s\n", json.dump(2).c_str());
  } else {
    print_report(report, faults);
  }
}

}  // namespace

void add_sharpness_command(CLI::App& app, const GlobalOptions& global) {
  auto options = std::make_shared<SharpnessCommand>();
  CLI::App* command =
      app.add_subcommand("sharpness", "Measure how sharp the minimum of a frozen network is");
  options->inputs.declare(*command);
  analysis::SharpnessOptions& measures = options->measures;
  command->add_option("--rho", measures.rho, "Radii of the SAM measures")->capture_default_str();
  command->add_option("--noise", measures.noise, "Gaussian noise relative to filter norms")
      ->capture_default_str();
  command->add_option("--rate", options->rate, "Bit error rate of the expected rise")
      ->capture_default_str();
  command->add_option("--trials", options->trials, "Fault maps of the expected rise")
      ->capture_default_str();
  command->add_option("-m,--batch", measures.m, "Images a batch of m-sharpness")
      ->capture_default_str();
  command->add_option("--samples", measures.samples, "Random draws of each average")
      ->capture_default_str();
  command
      ->add_option("-k,--eigenvalues", measures.eigenvalues,
                   "Hessian eigenvalues (0: none, and no trace)")
      ->capture_default_str();
  command->add_option("--tolerance", measures.tolerance, "Relative, of eigenvalues and trace")
      ->capture_default_str();
  command->add_option("--products", measures.max_products, "Hessian products at most, each")
      ->check(at_least(1))
      ->capture_default_str();
  command->add_flag("--density", measures.density, "Spectral density of the Hessian too");
  command->add_option("--seed", measures.seed, "Seed of every random direction")
      ->check(at_least(0))
      ->capture_default_str();
  command->add_option("-o,--out", options->out, "Write the result as JSON to this folder");
  command
      ->add_option("--device", options->device,
                   "Of LibTorch: cpu, cuda or, for the second GPU, cuda:1")
      ->check(device_name(/*several=*/false))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Machine-readable output");
  command->callback([options, &global] { run(*options, global); });
}

}  // namespace flatenn::cli
