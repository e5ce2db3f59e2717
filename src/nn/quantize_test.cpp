#include "flatenn/nn/quantize.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

struct GoldenElement {
  double x, grad, quantized, grad_x;
};
struct GoldenGrid {
  std::string name;
  int64_t low, high, step;
  double scale;
  std::vector<GoldenElement> elements;
  double grad_scale;  ///< dL/ds
};
const std::vector<GoldenGrid> kGolden = {
#include "nn/golden/quantizer.inc"
};

Grid grid_of(const GoldenGrid& golden) {
  if (golden.step == 1) return {golden.low, golden.high, net::ValueMap::kCode};
  return {(golden.low - 1) / 2, (golden.high - 1) / 2, net::ValueMap::kOdd};
}

torch::Tensor column(const GoldenGrid& golden, double GoldenElement::*member) {
  std::vector<float> values;
  for (const GoldenElement& element : golden.elements)
    values.push_back(static_cast<float>(element.*member));
  return torch::tensor(values);
}

struct Gradients {
  torch::Tensor value, x, log_scale;
};
Gradients gradients(const torch::Tensor& x, const torch::Tensor& log_scale, const Grid& grid,
                    const torch::Tensor& grad, QuantizeForm form, double gradient_scale = 1) {
  const torch::Tensor a = x.clone().set_requires_grad(true);
  const torch::Tensor t = log_scale.clone().set_requires_grad(true);
  const torch::Tensor q = fake_quantize(a, t, grid, gradient_scale, form);
  q.backward(grad);
  return {q.detach(), a.grad(), t.grad()};
}

torch::Tensor random(std::vector<int64_t> shape, uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn(shape);
}

/// exp(log(s)) may miss s by an ulp, and so may what is made of it.
constexpr double kUlps = 1e-6;

TEST(FakeQuantize, ProducesTheValuesOfAnIndependentDerivation) {
  for (const GoldenGrid& golden : kGolden) {
    const torch::Tensor log_scale = torch::full({1}, std::log(golden.scale));
    for (const QuantizeForm form : {QuantizeForm::kFused, QuantizeForm::kComposite}) {
      const Gradients got = gradients(column(golden, &GoldenElement::x), log_scale, grid_of(golden),
                                      column(golden, &GoldenElement::grad), form);
      EXPECT_TRUE(torch::allclose(got.value, column(golden, &GoldenElement::quantized), kUlps))
          << golden.name << got.value;
      EXPECT_TRUE(torch::equal(got.x, column(golden, &GoldenElement::grad_x))) << golden.name;
      EXPECT_NEAR(got.log_scale.item<double>(), golden.scale * golden.grad_scale, 1e-5)
          << golden.name;
    }
  }
}

TEST(FakeQuantize, FormsAgreeOnValuesAndFirstGradients) {
  const std::vector<Grid> grids = {Grid::signed_codes(4), Grid::unsigned_codes(4),
                                   Grid::signed_codes(8), Grid::signed_codes(2),
                                   Grid::signed_codes(4, net::ValueMap::kOdd)};
  for (const Grid& grid : grids) {
    for (const int64_t scales : {int64_t{1}, int64_t{6}}) {
      const torch::Tensor x = random({6, 5, 7, 3}, 1);
      const torch::Tensor grad = random({6, 5, 7, 3}, 2);
      const torch::Tensor t = random({scales}, 3) * 0.3 - 1.5;
      const Gradients fused = gradients(x, t, grid, grad, QuantizeForm::kFused, 0.37);
      const Gradients composite = gradients(x, t, grid, grad, QuantizeForm::kComposite, 0.37);
      EXPECT_TRUE(torch::equal(fused.value, composite.value));
      EXPECT_TRUE(torch::allclose(fused.x, composite.x));
      EXPECT_TRUE(torch::allclose(fused.log_scale, composite.log_scale, 1e-4, 1e-5));
    }
  }
}

/// The straight-through gradient is the true one of the surrogate that holds v - u constant where u
/// is inside the grid, and v where it is outside; that one can be checked by differences.
TEST(FakeQuantize, StepGradientIsTheSurrogatesNumericalDerivative) {
  const Grid grid = Grid::signed_codes(4);
  const torch::Tensor x = random({400}, 4).to(torch::kFloat64);
  const torch::Tensor grad = random({400}, 5).to(torch::kFloat64);
  const double t0 = -1.3;
  const torch::Tensor u0 = x / std::exp(t0);
  const torch::Tensor v0 = u0.clamp(-8, 7).round();
  const torch::Tensor inside = (u0 >= -8).logical_and(u0 <= 7);
  const auto surrogate = [&](double t) {
    const double s = std::exp(t);
    return (grad * torch::where(inside, x + s * (v0 - u0), s * v0)).sum().item<double>();
  };
  const double h = 1e-5;
  const double numerical = (surrogate(t0 + h) - surrogate(t0 - h)) / (2 * h);
  for (const QuantizeForm form : {QuantizeForm::kFused, QuantizeForm::kComposite}) {
    const Gradients got = gradients(x.to(torch::kFloat32), torch::full({1}, t0), grid,
                                    grad.to(torch::kFloat32), form);
    EXPECT_NEAR(got.log_scale.item<double>(), numerical, 1e-3 * std::abs(numerical));
  }
}

TEST(FakeQuantize, CompositeFormHasSecondDerivatives) {
  const torch::Tensor x = random({50}, 6).set_requires_grad(true);
  const torch::Tensor t = torch::full({1}, -1.0).set_requires_grad(true);
  const torch::Tensor q = fake_quantize(x, t, Grid::signed_codes(4), 1, QuantizeForm::kComposite);
  const auto first = torch::autograd::grad({q.pow(3).sum()}, {x}, {}, true, true)[0];
  const auto second = torch::autograd::grad({first.sum()}, {x})[0];
  // d2 (q^3) / dx2 = 6 q inside the clip range, by the straight-through rule.
  const torch::Tensor u = x.detach() / std::exp(-1.0);
  const torch::Tensor inside = (u >= -8).logical_and(u <= 7);
  EXPECT_TRUE(torch::allclose(second, 6 * q.detach() * inside, 1e-4, 1e-4));
}

TEST(FakeQuantize, SumsDoNotDependOnThreads) {
  const torch::Tensor x = random({3, 40001}, 7);
  const torch::Tensor grad = random({3, 40001}, 8);
  const torch::Tensor t = torch::full({3}, -1.1);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Gradients one = gradients(x, t, Grid::signed_codes(4), grad, QuantizeForm::kFused);
  at::set_num_threads(3);
  const Gradients three = gradients(x, t, Grid::signed_codes(4), grad, QuantizeForm::kFused);
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(one.log_scale, three.log_scale));
  EXPECT_TRUE(torch::equal(one.value, three.value));
}

TEST(FakeQuantize, CodesAndScaleMakeTheQuantizedValue) {
  for (const Grid& grid : {Grid::signed_codes(4), Grid::signed_codes(3, net::ValueMap::kOdd)}) {
    const torch::Tensor x = random({8, 20}, 9);
    const torch::Tensor t = random({8}, 10) * 0.2 - 1;
    const torch::Tensor scale = t.exp();
    const torch::Tensor codes = quantize_codes(x, scale, grid);
    EXPECT_GE(codes.min().item<float>(), static_cast<float>(grid.min_code));
    EXPECT_LE(codes.max().item<float>(), static_cast<float>(grid.max_code));
    const torch::Tensor value = code_values(codes, grid.value_map) * scale.view({8, 1});
    EXPECT_TRUE(torch::equal(value, fake_quantize(x, t, grid, 1)));
  }
}

TEST(FakeQuantize, KeepsNanSoThatDivergenceIsSeen) {
  const torch::Tensor x = torch::tensor({1.0F, NAN});
  const torch::Tensor q = fake_quantize(x, torch::zeros({1}), Grid::unsigned_codes(4), 1);
  EXPECT_FALSE(torch::isnan(q[0]).item<bool>());
  EXPECT_TRUE(torch::isnan(q[1]).item<bool>());
}

TEST(FakeQuantize, RefusesScalesThatDoNotFit) {
  EXPECT_THROW(fake_quantize(torch::zeros({4, 2}), torch::zeros({3}), Grid::signed_codes(4), 1),
               Error);
}

}  // namespace
}  // namespace flatenn::nn
