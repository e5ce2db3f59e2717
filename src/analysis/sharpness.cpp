#include "flatenn/analysis/sharpness.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "flatenn/analysis/directions.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

constexpr double kTinyNorm = 1e-12;

Estimate summarize(const std::vector<double>& samples) {
  Estimate estimate;
  estimate.samples = static_cast<int64_t>(samples.size());
  if (samples.empty()) return estimate;
  const auto n = static_cast<double>(samples.size());
  double sum = 0, squares = 0;
  for (const double sample : samples) sum += sample;
  estimate.mean = sum / n;
  for (const double sample : samples)
    squares += (sample - estimate.mean) * (sample - estimate.mean);
  estimate.standard_error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
  return estimate;
}

torch::Tensor scaled_to(const torch::Tensor& direction, double norm) {
  return direction * (norm / (length(direction) + kTinyNorm));
}

/// rho * T^2 g / ||T g|| with T = |w|.
torch::Tensor adaptive_step(const torch::Tensor& gradient, const torch::Tensor& weights,
                            double rho) {
  const torch::Tensor scaled = weights.abs() * gradient;
  return weights.abs() * scaled * (rho / (length(scaled) + kTinyNorm));
}

class Measurement {
 public:
  Measurement(const LossSurface& surface, const SharpnessOptions& options,
              const StageObserver& observer)
      : surface_(surface),
        options_(options),
        observer_(observer),
        weights_(surface.flat_weights()),
        shapes_(surface.view().weight_shapes()) {}

  SharpnessReport run() {
    SharpnessReport report;
    const SurfaceValue base = surface_.value(surface_.zero_move());
    base_loss_ = base.loss;
    report.loss = base.loss;
    report.accuracy = base.accuracy;
    report.images = surface_.images();
    report.weight_norm = length(weights_);
    gradient_ = surface_.gradient(surface_.zero_move());
    for (const double rho : options_.rho) report.radii.push_back(radius(rho, report.weight_norm));
    tell("Gaussian noise");
    report.noise = options_.noise;
    report.noise_rise = noise_rise();
    if (options_.eigenvalues > 0 || options_.density) measure_hessian(report);
    return report;
  }

 private:
  void tell(const std::string& stage) const {
    if (observer_) observer_(stage);
  }

  double rise(const torch::Tensor& move) const { return surface_.value(move).loss - base_loss_; }

  RadiusSharpness radius(double rho, double weight_norm) const {
    RadiusSharpness result;
    result.rho = rho;
    result.rho_relative = rho / weight_norm;
    tell(detail::concat("rho ", rho, ": one step"));
    result.one_step = rise(scaled_to(gradient_, rho));
    result.adaptive = rise(adaptive_step(gradient_, weights_, rho));
    tell(detail::concat("rho ", rho, ": worst case"));
    result.worst = worst(rho);
    tell(detail::concat("rho ", rho, ": average"));
    result.average = average(rho);
    tell(detail::concat("rho ", rho, ": batches of ", options_.m));
    result.m_sharpness = m_sharpness(rho);
    return result;
  }

  double worst(double rho) const {
    torch::Tensor move = scaled_to(gradient_, rho);
    double largest = rise(move);
    for (int64_t step = 1; step < options_.ascent_steps; ++step) {
      move = scaled_to(move + scaled_to(surface_.gradient(move), rho), rho);
      largest = std::max(largest, rise(move));
    }
    return largest;
  }

  Estimate average(double rho) const {
    std::vector<double> rises;
    for (int64_t i = 0; i < options_.samples; ++i) {
      const torch::Tensor direction =
          normal_direction(weights_.numel(), options_.seed, static_cast<uint64_t>(i))
              .to(weights_.device());
      rises.push_back(rise(scaled_to(direction, rho)));
    }
    return summarize(rises);
  }

  double m_sharpness(double rho) const {
    const torch::Tensor zero = surface_.zero_move();
    double sum = 0;
    for (int64_t first = 0; first < surface_.images(); first += options_.m) {
      const int64_t count = std::min(options_.m, surface_.images() - first);
      const torch::Tensor move = scaled_to(surface_.gradient(zero, first, count), rho);
      const double batch_rise =
          surface_.value(move, first, count).loss - surface_.value(zero, first, count).loss;
      sum += batch_rise * static_cast<double>(count);
    }
    return sum / static_cast<double>(surface_.images());
  }

  Estimate noise_rise() const {
    std::vector<double> rises;
    for (int64_t i = 0; i < options_.samples; ++i) {
      rises.push_back(rise(filter_noise(weights_, shapes_, options_.noise, options_.seed,
                                        static_cast<uint64_t>(i))));
    }
    return summarize(rises);
  }

  void measure_hessian(SharpnessReport& report) const {
    const LinearOperator op = [this](const torch::Tensor& v) {
      return surface_.hessian_product(v);
    };
    const auto observer = [this](const char* stage) {
      return [this, stage](const std::string& text) { tell(std::string(stage) + ": " + text); };
    };
    const int64_t n = weights_.numel();
    if (options_.eigenvalues > 0) {
      report.tolerance = options_.tolerance;
      report.hessian = lanczos(op, n,
                               {.eigenpairs = options_.eigenvalues,
                                .max_iterations = options_.max_products,
                                .tolerance = options_.tolerance,
                                .seed = options_.seed,
                                .device = weights_.device(),
                                .observer = observer("eigenvalues")});
      report.trace = estimate_trace(op, report.hessian.vectors,
                                    {.max_probes = options_.max_products,
                                     .tolerance = options_.tolerance,
                                     .seed = options_.seed,
                                     .observer = observer("trace")});
    }
    if (options_.density) {
      report.density = spectral_density(op, n,
                                        {.seed = options_.seed,
                                         .device = weights_.device(),
                                         .observer = observer("spectral density")});
    }
  }

  const LossSurface& surface_;
  const SharpnessOptions& options_;
  const StageObserver& observer_;
  torch::Tensor weights_;
  std::vector<std::vector<int64_t>> shapes_;
  torch::Tensor gradient_;
  double base_loss_ = 0;
};

nlohmann::json estimate_json(const Estimate& estimate) {
  return {{"mean", estimate.mean},
          {"standard_error", estimate.standard_error},
          {"samples", estimate.samples}};
}

}  // namespace

void check(const SharpnessOptions& options, int64_t parameters) {
  for (const double rho : options.rho) {
    FLATENN_CHECK(rho > 0 && std::isfinite(rho), "sharpness: rho must be positive, got ", rho);
  }
  FLATENN_CHECK(options.noise > 0 && std::isfinite(options.noise),
                "sharpness: noise must be positive, got ", options.noise);
  FLATENN_CHECK(!options.rho.empty(), "sharpness: at least one rho is needed");
  FLATENN_CHECK(options.m > 0, "sharpness: m must be positive, got ", options.m);
  FLATENN_CHECK(options.samples > 0, "sharpness: samples must be positive, got ", options.samples);
  FLATENN_CHECK(options.eigenvalues >= 0 && options.eigenvalues <= parameters,
                "sharpness: the number of eigenvalues must be in [0, ", parameters,
                "] (the number of parameters), got ", options.eigenvalues);
  FLATENN_CHECK(options.tolerance > 0 && std::isfinite(options.tolerance),
                "sharpness: tolerance must be positive, got ", options.tolerance);
}

SharpnessReport measure_sharpness(const LossSurface& surface, const SharpnessOptions& options,
                                  const StageObserver& observer) {
  check(options, surface.view().parameter_count());
  return Measurement(surface, options, observer).run();
}

nlohmann::json to_json(const SharpnessReport& report) {
  nlohmann::json radii = nlohmann::json::array();
  for (const RadiusSharpness& radius : report.radii) {
    radii.push_back({{"rho", radius.rho},
                     {"rho_relative", radius.rho_relative},
                     {"one_step", radius.one_step},
                     {"worst", radius.worst},
                     {"average", estimate_json(radius.average)},
                     {"m_sharpness", radius.m_sharpness},
                     {"adaptive", radius.adaptive}});
  }
  nlohmann::json json{
      {"loss", report.loss},
      {"accuracy", report.accuracy},
      {"images", report.images},
      {"weight_norm", report.weight_norm},
      {"radii", radii},
      {"noise", {{"relative", report.noise}, {"rise", estimate_json(report.noise_rise)}}}};
  if (!report.hessian.values.empty()) {
    json["hessian"] = {{"eigenvalues", report.hessian.values},
                       {"residuals", report.hessian.residuals},
                       {"iterations", report.hessian.iterations},
                       {"converged", report.hessian.converged},
                       {"tolerance", report.tolerance},
                       {"trace", report.trace.trace},
                       {"trace_standard_error", report.trace.standard_error},
                       {"trace_probes", report.trace.probes},
                       {"trace_converged", report.trace.converged}};
  }
  if (!report.density.density.empty()) {
    json["density"] = {{"eigenvalue", report.density.eigenvalue},
                       {"density", report.density.density}};
  }
  return json;
}

}  // namespace flatenn::analysis
