#include "flatenn/analysis/lanczos.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "flatenn/analysis/directions.h"
#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::analysis {
namespace {

constexpr int64_t kMinProbes = 8;
constexpr double kBreakdown =
    1e-10;  ///< An off-diagonal this small: the Krylov space is exhausted.

torch::Tensor random_vector(int64_t n, uint64_t seed, uint64_t index, bool signs) {
  RandomStream stream(seed, index, RandomPurpose::kDirection, signs ? 1 : 0);
  torch::Tensor vector = torch::empty({n});
  float* data = vector.data_ptr<float>();
  for (int64_t i = 0; i < n; ++i) {
    data[i] =
        signs ? ((stream.next_u32() & 1) != 0 ? 1.0F : -1.0F) : static_cast<float>(stream.normal());
  }
  return vector;
}

/// Grows an orthonormal Krylov basis and the tridiagonal matrix of the operator in it.
class KrylovSpace {
 public:
  KrylovSpace(const LinearOperator& op, const torch::Tensor& start)
      : op_(op), next_(start / length(start)) {}

  /// One product. False once the space is exhausted.
  bool grow() {
    basis_.push_back(next_);
    torch::Tensor w = op_(next_);
    alphas_.push_back(w.dot(next_).item<double>());
    const torch::Tensor q = torch::stack(basis_);
    for (int pass = 0; pass < 2; ++pass) w = w - q.t().mv(q.mv(w));
    const double beta = length(w);
    betas_.push_back(beta);
    if (beta <= kBreakdown * (1 + std::abs(alphas_[0]))) return false;
    next_ = w / beta;
    return true;
  }

  int64_t size() const { return static_cast<int64_t>(basis_.size()); }
  torch::Tensor basis() const { return torch::stack(basis_); }
  double last_beta() const { return betas_.back(); }

  torch::Tensor tridiagonal() const {
    torch::Tensor t = torch::zeros({size(), size()}, torch::kFloat64);
    auto a = t.accessor<double, 2>();
    for (int64_t i = 0; i < size(); ++i) {
      a[i][i] = alphas_[static_cast<size_t>(i)];
      if (i + 1 < size()) a[i][i + 1] = a[i + 1][i] = betas_[static_cast<size_t>(i)];
    }
    return t;
  }

 private:
  const LinearOperator& op_;
  torch::Tensor next_;
  std::vector<torch::Tensor> basis_;
  std::vector<double> alphas_;
  std::vector<double> betas_;
};

struct RitzPairs {
  torch::Tensor values;        ///< [m]
  torch::Tensor vectors;       ///< [m, m], columns
  std::vector<int64_t> order;  ///< Falling magnitude.
};

RitzPairs ritz_pairs(const KrylovSpace& space) {
  RitzPairs pairs;
  std::tie(pairs.values, pairs.vectors) = torch::linalg_eigh(space.tridiagonal(), "L");
  pairs.order.resize(static_cast<size_t>(space.size()));
  std::iota(pairs.order.begin(), pairs.order.end(), 0);
  const auto values = pairs.values.accessor<double, 1>();
  std::sort(pairs.order.begin(), pairs.order.end(),
            [&](int64_t a, int64_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  return pairs;
}

/// Residual of a Ritz pair without another product: beta times the vector's last component.
double residual_of(const RitzPairs& pairs, int64_t column, double beta) {
  return std::abs(beta * pairs.vectors[-1][column].item<double>());
}

bool all_converged(const RitzPairs& pairs, double beta, const LanczosOptions& options) {
  if (static_cast<int64_t>(pairs.order.size()) < options.eigenpairs) return false;
  for (int64_t i = 0; i < options.eigenpairs; ++i) {
    const int64_t column = pairs.order[static_cast<size_t>(i)];
    const double value = std::abs(pairs.values[column].item<double>());
    if (residual_of(pairs, column, beta) > options.tolerance * value) return false;
  }
  return true;
}

void observe(const ProductObserver& observer, const std::string& text) {
  if (observer) observer(text);
}

Eigenpairs leading(const KrylovSpace& space, const RitzPairs& pairs, int64_t k) {
  Eigenpairs result;
  std::vector<torch::Tensor> rows;
  const torch::Tensor basis = space.basis();
  for (int64_t i = 0; i < std::min(k, space.size()); ++i) {
    const int64_t column = pairs.order[static_cast<size_t>(i)];
    const torch::Tensor weights = pairs.vectors.select(1, column).to(basis.dtype());
    rows.push_back(basis.t().mv(weights.to(basis.device())));
    result.values.push_back(pairs.values[column].item<double>());
    result.residuals.push_back(residual_of(pairs, column, space.last_beta()));
  }
  result.vectors = torch::stack(rows);
  result.iterations = space.size();
  return result;
}

}  // namespace

Eigenpairs lanczos(const LinearOperator& op, int64_t n, const LanczosOptions& options) {
  FLATENN_CHECK(options.eigenpairs >= 1 && options.eigenpairs <= n,
                "lanczos: the number of eigenvalues must be in [1, ", n,
                "] (the number of parameters), got ", options.eigenpairs);
  KrylovSpace space(op, random_vector(n, options.seed, 0, false).to(options.device));
  const int64_t limit = std::min(n, std::max(options.max_iterations, options.eigenpairs));
  bool converged = false;
  for (int64_t iteration = 0; iteration < limit && !converged; ++iteration) {
    const bool more = space.grow();
    const RitzPairs pairs = ritz_pairs(space);
    converged = !more || space.size() == n || all_converged(pairs, space.last_beta(), options);
    observe(options.observer,
            detail::concat("largest ", pairs.values[pairs.order[0]].item<double>(), ", residual ",
                           residual_of(pairs, pairs.order[0], space.last_beta())));
  }
  Eigenpairs result = leading(space, ritz_pairs(space), options.eigenpairs);
  result.converged = converged;
  return result;
}

TraceEstimate estimate_trace(const LinearOperator& op, const torch::Tensor& deflated,
                             const TraceOptions& options) {
  TraceEstimate estimate;
  double inside = 0;
  for (int64_t i = 0; i < deflated.size(0); ++i) {
    inside += op(deflated[i]).dot(deflated[i]).item<double>();
    observe(options.observer, detail::concat("deflated part ", inside));
  }
  const int64_t n = deflated.size(1);
  double sum = 0, squares = 0;
  while (estimate.probes < options.max_probes) {
    torch::Tensor z = random_vector(n, options.seed, static_cast<uint64_t>(estimate.probes), true)
                          .to(deflated.device());
    z = z - deflated.t().mv(deflated.mv(z));
    const double sample = op(z).dot(z).item<double>();
    sum += sample;
    squares += sample * sample;
    const auto m = static_cast<double>(++estimate.probes);
    const double variance = m > 1 ? std::max(0.0, (squares - sum * sum / m) / (m - 1)) : 0;
    estimate.trace = inside + sum / m;
    estimate.standard_error = std::sqrt(variance / m);
    observe(options.observer,
            detail::concat("trace ", estimate.trace, " +- ", estimate.standard_error));
    estimate.converged = estimate.probes >= kMinProbes &&
                         estimate.standard_error <= options.tolerance * std::abs(estimate.trace);
    if (estimate.converged) break;
  }
  return estimate;
}

SpectralDensity spectral_density(const LinearOperator& op, int64_t n,
                                 const DensityOptions& options) {
  FLATENN_CHECK(options.probes >= 1 && options.steps >= 1 && options.points >= 2,
                "spectral_density: probes, steps and points must be positive");
  std::vector<std::pair<double, double>> nodes;  // eigenvalue, weight
  for (int64_t probe = 0; probe < options.probes; ++probe) {
    KrylovSpace space(
        op, random_vector(n, options.seed, static_cast<uint64_t>(probe), true).to(options.device));
    for (int64_t step = 0; step < std::min(options.steps, n); ++step) {
      const bool more = space.grow();
      observe(options.observer, detail::concat("density probe ", probe + 1));
      if (!more) break;
    }
    const RitzPairs pairs = ritz_pairs(space);
    for (int64_t i = 0; i < space.size(); ++i) {
      const double first = pairs.vectors[0][i].item<double>();
      nodes.emplace_back(pairs.values[i].item<double>(),
                         first * first / static_cast<double>(options.probes));
    }
  }
  const auto [low, high] = std::minmax_element(nodes.begin(), nodes.end());
  const double range = std::max(high->first - low->first, 1e-12);
  const double sigma = options.width * range;
  const double from = low->first - 4 * sigma;
  const double step = (range + 8 * sigma) / static_cast<double>(options.points - 1);
  SpectralDensity density;
  for (int64_t i = 0; i < options.points; ++i) {
    const double x = from + step * static_cast<double>(i);
    double value = 0;
    for (const auto& [node, weight] : nodes) {
      const double z = (x - node) / sigma;
      value += weight * std::exp(-0.5 * z * z);
    }
    density.eigenvalue.push_back(x);
    density.density.push_back(value / (sigma * std::sqrt(2 * std::numbers::pi)));
  }
  return density;
}

}  // namespace flatenn::analysis
