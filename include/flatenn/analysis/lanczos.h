#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace flatenn::analysis {

/// A symmetric operator on flat vectors: vector -> operator * vector.
using LinearOperator = std::function<torch::Tensor(const torch::Tensor&)>;
/// Told after each product; `text` is for a progress line.
using ProductObserver = std::function<void(const std::string& text)>;

struct LanczosOptions {
  int64_t eigenpairs = 5;       ///< k, the largest in magnitude.
  int64_t max_iterations = 80;  ///< Products at most.
  double tolerance = 0.01;  ///< Residual norm over |eigenvalue| at which a pair counts as found.
  uint64_t seed = 0;        ///< Decides the start vector.
  torch::Device device = torch::kCPU;  ///< Of the vectors that the operator takes.
  ProductObserver observer;
};

struct Eigenpairs {
  std::vector<double> values;     ///< Falling magnitude.
  torch::Tensor vectors;          ///< [k, n], orthonormal rows.
  std::vector<double> residuals;  ///< ||A v - value v|| of each.
  int64_t iterations = 0;
  bool converged = false;  ///< All k within tolerance.
};

/// Lanczos with full reorthogonalization (twice a step) in double precision for the small problem.
/// Throws Error where k exceeds n or is not positive.
Eigenpairs lanczos(const LinearOperator& op, int64_t n, const LanczosOptions& options);

struct TraceOptions {
  int64_t max_probes = 60;
  double tolerance = 0.05;  ///< Stops where the standard error is this share of |trace|.
  uint64_t seed = 0;
  ProductObserver observer;
};

struct TraceEstimate {
  double trace = 0;
  double standard_error = 0;  ///< Of the probed part; the deflated part is exact.
  int64_t probes = 0;
  bool converged = false;  ///< The standard error is within tolerance.
};

/// Trace by Hutchinson's estimator outside the span of `deflated` ([k, n], orthonormal rows) plus
/// the exact trace inside it (Meyer et al., "Hutch++", arXiv:2010.09649, with Lanczos vectors as
/// the subspace). At least 8 probes.
TraceEstimate estimate_trace(const LinearOperator& op, const torch::Tensor& deflated,
                             const TraceOptions& options);

struct SpectralDensity {
  std::vector<double> eigenvalue;
  std::vector<double> density;  ///< Integrates to 1.
};

struct DensityOptions {
  int64_t probes = 4;
  int64_t steps = 30;  ///< Lanczos steps a probe.
  int64_t points = 400;
  double width = 0.01;  ///< Of the Gaussian kernel, as a share of the spectrum's range.
  uint64_t seed = 0;
  torch::Device device = torch::kCPU;
  ProductObserver observer;
};

/// Spectral density by stochastic Lanczos quadrature (Ghorbani et al., arXiv:1901.10159).
SpectralDensity spectral_density(const LinearOperator& op, int64_t n,
                                 const DensityOptions& options);

}  // namespace flatenn::analysis
