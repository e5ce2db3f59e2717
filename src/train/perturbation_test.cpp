#include "train/perturbation.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace flatenn::train {
namespace {

/// Gradients over many orders of magnitude, of a size that is no multiple of a block or a vector.
torch::Tensor rough(int64_t n, double phase) {
  const torch::Tensor i = torch::arange(n, torch::kFloat64);
  return ((0.1 * i + phase).sin() * (0.37 * i + phase).cos().mul(6).exp() * 1e-3)
      .to(torch::kFloat32);
}

torch::Tensor exact(const torch::Tensor& x) { return x.to(torch::kFloat64); }

struct Case {
  Case(int64_t n, bool contiguous) : value(rough(n, 2)), grad(rough(n, 1)) {
    place = contiguous ? torch::empty_like(value) : torch::empty({n, 2}).select(1, 0);
  }
  Target target(bool weight) const {
    return {
        .value = value, .grad = grad, .place = place, .is_weight = weight, .is_adaptive = weight};
  }
  torch::Tensor value, grad, place;
};

/// The formulas in double, on kernels and on any tensor (which is what a GPU has).
TEST(Perturbation, FollowsTheFormulasInDouble) {
  const double rho = 0.3, eta = 0.02;
  for (const bool contiguous : {true, false}) {
    for (const SharpnessMethod method : {SharpnessMethod::kSaq, SharpnessMethod::kAsaq}) {
      const Case weights(100003, contiguous), biases(37, contiguous);
      const Perturbation got = ascend({weights.target(true), biases.target(false)},
                                      {.method = method, .eta = eta}, {.factor = rho});
      const torch::Tensor t = method == SharpnessMethod::kAsaq
                                  ? exact(weights.value).abs() + eta
                                  : torch::ones_like(exact(weights.value));
      const torch::Tensor g = exact(weights.grad), b = exact(biases.grad);
      const double squares =
          (t * g).square().sum().item<double>() + b.square().sum().item<double>();
      const torch::Tensor eps = rho / std::sqrt(squares) * t * t * g;
      const double tolerance = contiguous ? 1e-6 : 1e-5;
      EXPECT_TRUE(torch::allclose(exact(weights.place), eps, tolerance, 0));
      EXPECT_TRUE(torch::allclose(exact(biases.place), rho / std::sqrt(squares) * b, tolerance, 0));
      EXPECT_NEAR(got.weight_norm.item<double>(), eps.norm().item<double>(), 1e-6 * rho);
      const double norm = std::sqrt((g.square().sum() + b.square().sum()).item<double>());
      EXPECT_NEAR(got.grad_norm.item<double>(), norm, 1e-9 * norm);
    }
  }
}

TEST(Perturbation, MovesAParameterInPlace) {
  for (const SharpnessMethod method : {SharpnessMethod::kSam, SharpnessMethod::kAsaq}) {
    const Case one(5001, true);
    ascend({one.target(true)}, {.method = method}, {.factor = 0.3});
    const torch::Tensor moved = one.value.clone();
    ascend({{.value = moved, .grad = one.grad, .place = moved, .add = true, .is_adaptive = true}},
           {.method = method}, {.factor = 0.3});
    EXPECT_TRUE(torch::equal(moved, one.value + one.place));
  }
}

/// A sum of 2^24 equal terms in float32 stops growing when the terms are half its last place.
TEST(Perturbation, SumsManySmallTermsExactly) {
  const int64_t n = int64_t{1} << 25;
  const torch::Tensor x = torch::full({n}, 0.1F);
  const double expected = std::sqrt(static_cast<double>(n)) * static_cast<double>(0.1F);
  EXPECT_NEAR(global_norm({x}).item<double>(), expected, 1e-10 * expected);
}

TEST(Perturbation, HasTheSameBitsWithAnyNumberOfThreads) {
  const Case one(300007, true), two(300007, true);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Perturbation alone =
      ascend({one.target(true)}, {.method = SharpnessMethod::kAsaq}, {.factor = 0.1});
  at::set_num_threads(3);
  const Perturbation shared =
      ascend({two.target(true)}, {.method = SharpnessMethod::kAsaq}, {.factor = 0.1});
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one.place, two.place));
  EXPECT_TRUE(torch::equal(alone.grad_norm, shared.grad_norm));
  EXPECT_TRUE(torch::equal(alone.weight_norm, shared.weight_norm));
}

}  // namespace
}  // namespace flatenn::train
