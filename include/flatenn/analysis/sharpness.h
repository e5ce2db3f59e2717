#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "flatenn/analysis/lanczos.h"
#include "flatenn/analysis/loss_surface.h"

namespace flatenn::analysis {

/// What to measure. Radii are in units of the dequantized weights.
struct SharpnessOptions {
  std::vector<double> rho{0.05, 0.1, 0.5};  ///< Radii of the SAM measures; all positive.
  int64_t ascent_steps = 5;   ///< Of the worst case: projected gradient ascent on the sphere.
  int64_t m = 128;            ///< Images a batch of m-sharpness.
  double noise = 0.1;         ///< Gaussian noise relative to filter norms; positive.
  int64_t samples = 20;       ///< Random draws of each average.
  int64_t eigenvalues = 5;    ///< 0: no Hessian.
  double tolerance = 0.05;    ///< Of eigenvalues and trace.
  int64_t max_products = 80;  ///< Hessian products for eigenvalues, and again for the trace.
  bool density = false;       ///< Spectral density too.
  uint64_t seed = 0;
};

/// A mean over random draws.
struct Estimate {
  double mean = 0;
  double standard_error = 0;
  int64_t samples = 0;
};

/// Rises of the mean loss above its value at the weights.
struct RadiusSharpness {
  double rho = 0;
  double rho_relative = 0;  ///< rho / ||Q(w)||
  double one_step = 0;      ///< Along rho * g / ||g||: what a SAM step sees (arXiv:2010.01412).
  double worst = 0;         ///< The largest met in projected gradient ascent.
  Estimate average;         ///< Uniform directions of norm rho.
  double m_sharpness = 0;   ///< One step for every m images on their own, mean over batches.
  double adaptive = 0;      ///< One step in the norm of |w| (ASAM, arXiv:2102.11600, T = |w|).
};

struct SharpnessReport {
  double loss = 0;
  double accuracy = 0;
  int64_t images = 0;
  double weight_norm = 0;  ///< ||Q(w)||
  std::vector<RadiusSharpness> radii;
  double noise = 0;
  Estimate noise_rise;  ///< Under Gaussian noise relative to filter norms.
  Eigenpairs hessian;   ///< Empty where not asked for.
  TraceEstimate trace;
  double tolerance = 0;  ///< Relative, that both were asked for.
  SpectralDensity density;
};

/// Told what is being measured and how far it is.
using StageObserver = std::function<void(const std::string& stage)>;

/// Throws Error for a radius, noise or tolerance that is not positive, or more eigenvalues than
/// parameters.
void check(const SharpnessOptions& options, int64_t parameters);

SharpnessReport measure_sharpness(const LossSurface& surface, const SharpnessOptions& options,
                                  const StageObserver& observer = {});

nlohmann::json to_json(const SharpnessReport& report);

}  // namespace flatenn::analysis
