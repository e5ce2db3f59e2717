#include "flatenn/analysis/lanczos.h"

#include <gtest/gtest.h>

#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

/// x -> Q diag(d) Q' x with a random rotation Q: a quadratic with known spectrum.
struct KnownSpectrum {
  torch::Tensor matrix;
  LinearOperator op;

  explicit KnownSpectrum(const std::vector<double>& eigenvalues) {
    const auto n = static_cast<int64_t>(eigenvalues.size());
    torch::manual_seed(5);
    const torch::Tensor q = std::get<0>(torch::linalg_qr(torch::randn({n, n}, torch::kFloat64)));
    const torch::Tensor d = torch::tensor(eigenvalues, torch::kFloat64);
    matrix = (q * d).matmul(q.t()).to(torch::kFloat32);
    op = [m = matrix](const torch::Tensor& x) { return m.mv(x); };
  }
};

std::vector<double> decaying(int64_t n) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(10.0 / static_cast<double>(1 + i * i));
  return values;
}

TEST(Lanczos, FindsTheLargestEigenpairsOfAKnownSpectrum) {
  const std::vector<double> truth = decaying(200);
  const KnownSpectrum known(truth);
  const Eigenpairs found = lanczos(known.op, 200, {.eigenpairs = 5, .tolerance = 1e-3});
  ASSERT_TRUE(found.converged);
  EXPECT_LT(found.iterations, 80);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(found.values[i], truth[i], 2e-3 * truth[i]);
    const torch::Tensor v = found.vectors[static_cast<int64_t>(i)];
    EXPECT_LT((known.op(v) - found.values[i] * v).norm().item<double>(), 5e-3 * truth[i]);
  }
  const torch::Tensor gram = found.vectors.matmul(found.vectors.t());
  EXPECT_LT((gram - torch::eye(5)).abs().max().item<double>(), 1e-4);
}

TEST(Lanczos, RanksByMagnitudeAndFindsNegativeEigenvalues) {
  std::vector<double> truth = decaying(50);
  truth[1] = -8;
  const KnownSpectrum known(truth);
  const Eigenpairs found = lanczos(known.op, 50, {.eigenpairs = 2, .tolerance = 1e-3});
  EXPECT_NEAR(found.values[0], 10, 0.02);
  EXPECT_NEAR(found.values[1], -8, 0.02);
}

TEST(Lanczos, EndsEarlyWhereTheKrylovSpaceIsExhausted) {
  const LinearOperator identity = [](const torch::Tensor& x) { return x.clone(); };
  const Eigenpairs found = lanczos(identity, 30, {.eigenpairs = 1});
  EXPECT_EQ(found.iterations, 1);
  EXPECT_NEAR(found.values[0], 1, 1e-5);
}

TEST(Lanczos, RefusesMoreEigenvaluesThanParameters) {
  const LinearOperator identity = [](const torch::Tensor& x) { return x.clone(); };
  EXPECT_THROW(lanczos(identity, 3, {.eigenpairs = 4}), Error);
  EXPECT_THROW(lanczos(identity, 3, {.eigenpairs = 0}), Error);
}

TEST(EstimateTrace, HoldsTheTruthWithinItsErrorAndDeflationShrinksIt) {
  const std::vector<double> truth = decaying(200);
  const KnownSpectrum known(truth);
  double trace = 0;
  for (const double value : truth) trace += value;
  const Eigenpairs found = lanczos(known.op, 200, {.eigenpairs = 5, .tolerance = 1e-3});
  const TraceOptions options{.max_probes = 40, .tolerance = 0, .seed = 3};
  const TraceEstimate deflated = estimate_trace(known.op, found.vectors, options);
  const TraceEstimate plain = estimate_trace(known.op, torch::zeros({0, 200}), options);
  EXPECT_EQ(deflated.probes, 40);
  EXPECT_NEAR(deflated.trace, trace, 4 * deflated.standard_error + 1e-3 * trace);
  EXPECT_NEAR(plain.trace, trace, 4 * plain.standard_error);
  EXPECT_LT(deflated.standard_error, plain.standard_error / 3);
}

TEST(EstimateTrace, StopsAtItsTolerance) {
  const KnownSpectrum known(std::vector<double>(100, 2.0));
  const TraceEstimate estimate =
      estimate_trace(known.op, torch::zeros({0, 100}), {.max_probes = 60, .tolerance = 0.01});
  EXPECT_EQ(estimate.probes, 8);  // Rademacher probes are exact for a multiple of the identity
  EXPECT_NEAR(estimate.trace, 200, 0.01);
}

TEST(SpectralDensity, IntegratesToOneAndPutsMassWhereTheEigenvaluesAre) {
  std::vector<double> truth(100, 1.0);
  for (size_t i = 0; i < 50; ++i) truth[i] = 3.0;
  const KnownSpectrum known(truth);
  const SpectralDensity density = spectral_density(known.op, 100, {.probes = 8, .steps = 10});
  double mass = 0, upper = 0;
  const double step = density.eigenvalue[1] - density.eigenvalue[0];
  for (size_t i = 0; i < density.density.size(); ++i) {
    mass += density.density[i] * step;
    if (density.eigenvalue[i] > 2) upper += density.density[i] * step;
  }
  EXPECT_NEAR(mass, 1, 0.01);
  EXPECT_NEAR(upper, 0.5, 0.1);
}

}  // namespace
}  // namespace flatenn::analysis
